package indexformat

import (
	"bufio"
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
)

// The index of hfutils is one JSON object: the tar's size, its Git blob id and its SHA-256, and under "files" offset,
// size and SHA-256 of each regular member by name, including those outside samples. The bytes are the same as those of
// Python's json module with its defaults.

func exportHuggingFace(w io.Writer, s Shard) (warning string, err error) {
	rows, d, err := digestRows(s)
	if err != nil {
		return "", err
	}
	// A name occurs once, for the last member with it, because that is what extracting the tar would leave.
	last := make(map[string]int)
	repeated := 0
	for e := range entries(s.Index) {
		if !rows[e.Row].regular {
			continue
		}
		if e.InSample && e.hasHoles() {
			return "", fmt.Errorf("%w: member %q is a sparse file", ErrUnsuited, e.name)
		}
		if _, ok := last[e.name]; ok {
			repeated++
		}
		last[e.name] = e.Row
	}
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, `{"filesize": %d, "hash": "%x", "hash_lfs": "%x", "files": {`,
		s.Size, d.blob.Sum(nil), d.whole.Sum(nil))
	var line []byte
	for e := range entries(s.Index) {
		if row, ok := last[e.name]; !ok || row != e.Row {
			continue
		}
		if line != nil {
			line = append(line[:0], ", "...)
		}
		line = append(appendPython(line, e.name), `: {"offset": `...)
		line = append(strconv.AppendInt(line, e.Data, 10), `, "size": `...)
		line = append(strconv.AppendInt(line, e.Size, 10), `, "sha256": "`...)
		line = append(hex.AppendEncode(line, rows[e.Row].sum[:]), `"}`...)
		out.Write(line) // Flush returns the error
	}
	out.WriteString("}}")
	switch {
	case repeated == 1:
		warning = "1 member is left out, because its name occurs again later in the shard"
	case repeated > 1:
		warning = fmt.Sprintf("%d members are left out, because their names occur again later in the shard", repeated)
	}
	return warning, out.Flush()
}

// rowDigest has the facts about a row that are not in the index.
type rowDigest struct {
	sum     [sha256.Size]byte // digest of its content
	regular bool              // a regular file without holes, or a sample's member
}

// digestRows reads a shard once, in order, and computes the digests of each row and of the whole.
func digestRows(s Shard) ([]rowDigest, *digester, error) {
	x := s.Index
	row := 0
	d := newDigester(s.Plain, s.Size, func() (span, bool) {
		if row == x.Rows() {
			return span{}, false
		}
		m := x.Member(row)
		row++
		return span{m.Data, min(m.Size, m.End-m.Data)}, true
	})
	// The scanner reads through d. It finds out which entries outside samples are files, which the index does not have.
	// It reads some rows ahead of the one that it returns.
	scanner := index.NewScanner(struct{ io.Reader }{d})
	rows := make([]rowDigest, 0, x.Rows())
	for i := range x.Rows() {
		e, err := scanner.Next()
		if err == io.EOF {
			err = differs("%d members in the shard, %d in its index", i, x.Rows())
		}
		if err != nil {
			return nil, nil, err
		}
		m := x.Member(i)
		if e.Header != m.Header || e.Data != m.Data || e.Size != m.Size || e.End != m.End || len(d.sums) == 0 {
			return nil, nil, differs("member %d is elsewhere", i)
		}
		holes := entry{Member: m}.hasHoles()
		rows = append(rows, rowDigest{d.sums[0], m.InSample || e.Regular && !holes})
		d.sums = d.sums[1:]
	}
	if err := d.finish(); err != nil {
		return nil, nil, err
	}
	return rows, d, nil
}

// appendPython appends a string as Python's json module writes it: in ASCII, with a lone surrogate for each byte that
// is not valid UTF-8.
func appendPython(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	unit := func(r rune) {
		b = append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	b = append(b, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			unit(0xdc00 + rune(s[0]))
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r >= ' ' && r <= '~':
			b = append(b, byte(r))
		case r > 0xffff:
			unit(0xd800 + (r-0x10000)>>10)
			unit(0xdc00 + (r-0x10000)&0x3ff)
		default:
			unit(r)
		}
		s = s[n:]
	}
	return append(b, '"')
}

func beginsHuggingFace(head []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(string(head), " \t\r\n"), "{")
}

func ownsHuggingFace(in io.ReaderAt, _, _ int64) bool {
	return regexp.MustCompile(`^\s*\{\s*"filesize"\s*:\s*[0-9]+\s*,\s*"hash(_lfs)?"\s*:`).Match(beginning(in))
}

// hasLater reports whether the index has the name of a member with the offset of a later member: a name occurs once,
// for the last member with it.
func (im *Imported) hasLater(_ *index.Index, e entry) bool {
	if im.last == nil {
		im.last = make(map[string]int64, len(im.members))
		for _, m := range im.members {
			im.last[m.name] = m.offset
		}
	}
	last, ok := im.last[readable(e.name)]
	return ok && last > e.Data
}

func (im *Imported) readHuggingFace(r io.Reader) error {
	d := json.NewDecoder(r)
	found := false
	err := object(d, func(key string) error {
		switch key {
		case "filesize":
			var size int64
			if err := d.Decode(&size); err != nil {
				return malformedJSON(err)
			}
			if size != im.size {
				return differs("a shard of %d bytes in the index, this one has %d", size, im.size)
			}
			return nil
		case "hash":
			return decodeDigest(d, &im.blob, sha1.Size)
		case "hash_lfs":
			return decodeDigest(d, &im.whole, sha256.Size)
		case "files":
			found = true
			return object(d, func(name string) error { return im.readFile(d, name) })
		default:
			var ignored json.RawMessage
			return malformedJSON(d.Decode(&ignored))
		}
	})
	if err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return cmp.Or(malformedJSON(err), malformed("data after its end"))
	}
	if !found {
		return fmt.Errorf(`%w: it has no "files"`, ErrMalformed)
	}
	// A repeated name is at the position of its first member, with the offset of the last one.
	list := im.members
	slices.SortFunc(list, func(a, b member) int { return cmp.Compare(a.offset, b.offset) })
	im.members = list[:0]
	for _, m := range list {
		if err := im.add(m); err != nil {
			return fmt.Errorf("%q: %w", m.name, err)
		}
	}
	im.named = true
	return nil
}

// object reads a JSON object. It calls value with each key to read the value.
func object(d *json.Decoder, value func(key string) error) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return cmp.Or(malformedJSON(err), malformed("%v where an object should be", t))
	}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return cmp.Or(malformedJSON(err), malformed("%v where a key should be", t))
		}
		if err := value(key); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return malformedJSON(err)
}

// malformedJSON wraps an error in the JSON in ErrMalformed. A read error is returned unchanged.
func malformedJSON(err error) error {
	switch err.(type) {
	case nil:
		return nil
	case *json.SyntaxError, *json.UnmarshalTypeError:
	default:
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
	}
	return malformed("%w", err)
}

func (im *Imported) readFile(d *json.Decoder, name string) error {
	var file struct {
		Offset, Size *int64
		SHA256       json.RawMessage
	}
	if err := d.Decode(&file); err != nil {
		return malformedJSON(err)
	}
	if file.Offset == nil || file.Size == nil {
		return malformed("%q has no offset or no size", name)
	}
	m := member{name: name, offset: *file.Offset, size: *file.Size}
	if len(file.SHA256) > 0 && string(file.SHA256) != "null" {
		var sum []byte
		if err := parseDigest(file.SHA256, &sum, sha256.Size); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		m.sum = (*[sha256.Size]byte)(sum)
	}
	im.members = append(im.members, m)
	return nil
}

// decodeDigest reads a digest of size bytes in hexadecimal; null leaves sum nil.
func decodeDigest(d *json.Decoder, sum *[]byte, size int) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return malformedJSON(err)
	}
	if string(raw) == "null" {
		return nil
	}
	return parseDigest(raw, sum, size)
}

func parseDigest(raw []byte, sum *[]byte, size int) error {
	var err error
	if len(raw) == 2*size+2 && raw[0] == '"' {
		*sum, err = hex.DecodeString(string(raw[1 : len(raw)-1]))
	}
	if err != nil || len(*sum) != size {
		return malformed("%.80s is not a digest of %d bytes", raw, size)
	}
	return nil
}
