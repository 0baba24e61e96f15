package indexformat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// An index of wds2idx is text: "v1.2" and the number of samples, then a line for each sample with extension, offset
// of the content, size and name of each member. All are separated by white space. Version 1.1 has no names.
const (
	wds2idxVersion = "v1.2"
	wds2idxNoNames = "v1.1"
)

// whiteSpace are the bytes that separate words for readers of the format.
const whiteSpace = " \t\n\v\f\r"

// fileWDS2IDX returns the name of the index of a shard. It uses the name up to its first dot, so a-1.0.tar and
// a-1.1.tar both have a-1.idx.
func fileWDS2IDX(base string) string {
	if dot := strings.IndexByte(base[1:], '.'); dot >= 0 {
		base = base[:dot+1]
	}
	return base + ".idx"
}

func beginsWDS2IDX(head []byte) bool {
	text := strings.TrimLeft(string(head), " \t\r\n")
	return len(text) > 2 && text[0] == 'v' && text[1] >= '0' && text[1] <= '9'
}

func ownsWDS2IDX(in io.ReaderAt, _, _ int64) bool {
	return regexp.MustCompile(`^\s*v1\.[0-2] [0-9]+\s`).Match(beginning(in))
}

// hidden reports whether the format leaves out a sample, because it consists of hidden files, whose key is their
// directory.
func hidden(key string) bool { return strings.HasSuffix(key, "/") }

func exportWDS2IDX(w io.Writer, x *index.Index) (warning string, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	left := 0
	for number := range x.Samples() {
		if hidden(x.Key(number)) {
			left++
		}
	}
	if left == x.Samples() {
		return "", fmt.Errorf("%w: it has no samples", ErrUnsuited)
	}
	fmt.Fprintf(out, "%s %d", wds2idxVersion, x.Samples()-left)
	last := -1
	var line []byte
	for e := range entries(x) {
		key := e.name[:max(len(e.name)-len(e.Ext)-1, 0)]
		switch {
		case !e.InSample || hidden(key):
			continue
		case e.Ext == "":
			return "", fmt.Errorf("%w: member %q has an empty extension", ErrUnsuited, e.name)
		case strings.ContainsAny(e.name, whiteSpace):
			return "", fmt.Errorf("%w: member %q has white space in its name", ErrUnsuited, e.name)
		case e.hasHoles():
			return "", fmt.Errorf("%w: member %q is a sparse file", ErrUnsuited, e.name)
		}
		line = append(line[:0], ' ')
		if e.sample != last {
			line[0] = '\n'
		}
		last = e.sample
		line = append(append(line, e.Ext...), ' ')
		line = append(strconv.AppendInt(line, e.Data, 10), ' ')
		line = append(strconv.AppendInt(line, e.Size, 10), ' ')
		out.Write(append(line, e.name...)) // Flush returns the error
	}
	out.WriteByte('\n')
	switch {
	case left == 1:
		warning = "1 sample is left out, because it consists of hidden files"
	case left > 1:
		warning = fmt.Sprintf("%d samples are left out, because they consist of hidden files", left)
	}
	return warning, out.Flush()
}

// maxWord is the length in bytes of the longest word: the longest name in a tar, escaped by GNU tar.
const maxWord = 4 << 20

// words reads words from text, line by line.
type words struct {
	r    *bufio.Reader
	line int    // number of the line, from 1
	word []byte // the last word
	ends bool   // the line ends after it
}

// next reads the next word of the line; it is empty at the end of the line.
func (w *words) next() error {
	w.word = w.word[:0]
	for !w.ends {
		c, err := w.r.ReadByte()
		switch {
		case err == io.EOF || err == nil && c == '\n':
			w.ends = true
			return nil
		case err != nil:
			return err
		case strings.IndexByte(whiteSpace, c) < 0:
			if len(w.word) == maxWord {
				return w.malformed("a word of more than %d bytes", maxWord)
			}
			w.word = append(w.word, c)
		case len(w.word) > 0:
			return nil
		}
	}
	return nil
}

// number reads the next word as a number.
func (w *words) number(what string) (int64, error) {
	if err := w.next(); err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(w.word), 10, 63)
	if err != nil {
		return 0, w.malformed("%s %.20q is not a number", what, w.word)
	}
	return int64(n), nil
}

func (w *words) malformed(format string, args ...any) error {
	return fmt.Errorf("line %d: %w: %s", w.line, ErrMalformed, fmt.Sprintf(format, args...))
}

func (im *Imported) readWDS2IDX(r io.Reader) error {
	w := &words{r: bufio.NewReaderSize(r, 64<<10), line: 1}
	if err := w.next(); err != nil {
		return err
	}
	version := string(w.word)
	if version != wds2idxVersion && version != wds2idxNoNames {
		return w.malformed("version %.20q, where %s and %s are known", version, wds2idxVersion, wds2idxNoNames)
	}
	samples, err := w.number("number of samples")
	if err != nil {
		return err
	}
	if samples == 0 {
		return w.malformed("no samples")
	}
	if err := w.next(); err != nil {
		return err
	}
	if len(w.word) > 0 {
		return w.malformed("%.20q after the number of samples", w.word)
	}
	im.named, im.grouped = version == wds2idxVersion, true
	exts := make(map[string]string) // one copy of each
	for im.samples = 0; int64(im.samples) < samples; im.samples++ {
		w.line, w.ends = w.line+1, false
		for n := 0; ; n++ {
			m, err := w.member(im.named, exts)
			if err == errNoWord && n > 0 {
				break
			}
			if err == errNoWord {
				return w.malformed("no members of sample %d of %d", im.samples, samples)
			}
			if err != nil {
				return err
			}
			m.sample = im.samples
			if err := im.add(m); err != nil {
				return fmt.Errorf("line %d: %w", w.line, err)
			}
		}
	}
	w.line, w.ends = w.line+1, false
	if err := w.next(); err != nil {
		return err
	}
	if len(w.word) > 0 {
		return w.malformed("more than the %d samples announced", samples)
	}
	return nil
}

// errNoWord means that a line has no more members.
var errNoWord = errors.New("no more members")

// member reads the next member of the line.
func (w *words) member(named bool, exts map[string]string) (m member, err error) {
	if err := w.next(); err != nil {
		return m, err
	}
	if len(w.word) == 0 {
		return m, errNoWord
	}
	var ok bool
	if m.ext, ok = exts[string(w.word)]; !ok {
		m.ext = string(w.word)
		exts[m.ext] = m.ext
	}
	if m.offset, err = w.number("offset"); err != nil {
		return m, err
	}
	if m.size, err = w.number("size"); err != nil || !named {
		return m, err
	}
	if err := w.next(); err != nil {
		return m, err
	}
	if len(w.word) == 0 {
		return m, w.malformed("a member without a name")
	}
	m.name = string(w.word)
	return m, nil
}

// listed returns a name as GNU tar lists it in an ASCII locale, because wds2idx takes names from that listing.
func listed(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch i := strings.IndexByte("\a\b\t\n\v\f\r\\", c); {
		case i >= 0:
			b.WriteByte('\\')
			b.WriteByte(`abtnvfr\`[i])
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
