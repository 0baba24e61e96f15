package survey

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/picture"
	"github.com/shardfs/shardfs/pack"
)

// Limits for content.
const (
	MaxDocument = 16 << 20 // bytes of JSON that is read
	MaxFields   = 500      // different fields of the JSON with an extension
	maxDepth    = 4        // names in the path of a field
	piece       = 64 << 10
)

// content is the content of a member.
type content interface {
	// open returns a reader, and the function that closes it.
	open() (readerAt, func() error, error)
}

// readerAt reads content from the beginning and at any place.
type readerAt interface {
	io.Reader
	io.ReaderAt
}

// rowContent is the content of a row of a shard.
type rowContent struct {
	x     *index.Index
	row   int
	plain io.ReaderAt
}

func (c rowContent) open() (readerAt, func() error, error) {
	r, err := c.x.Open(c.row, c.plain)
	return r, func() error { return nil }, err
}

// fileContent is that of a file.
type fileContent struct{ file pack.DirFile }

var errSeek = errors.New("it cannot be read at any place")

func (c fileContent) open() (readerAt, func() error, error) {
	f, err := c.file.Open()
	if err != nil {
		return nil, nil, err
	}
	r, ok := f.(readerAt)
	if !ok {
		return nil, nil, errors.Join(errSeek, f.Close())
	}
	return r, f.Close, nil
}

// watched remembers the error of a reader, so that it is not taken for one of the content. A reader that is at the end
// too early is one of a content that was cut.
type watched struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// Seek implements io.Seeker, for readers that can.
func (w *watched) Seek(off int64, whence int) (int64, error) {
	s, ok := w.from.(io.Seeker)
	if !ok {
		return 0, errSeek
	}
	return s.Seek(off, whence)
}

// watchedAt is watched for reads at any place.
type watchedAt struct {
	from io.ReaderAt
	err  error
}

// ReadAt implements io.ReaderAt.
func (w *watchedAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.from.ReadAt(p, off)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// look looks into the content of a member, if that was asked for.
func (b *Builder) look(m member, e *known) error {
	switch kind := e.Kind; {
	case b.o.Pictures && kind == "picture":
		return b.opened(m, func(r readerAt) error { return b.survey.Pictures.add(r, m.size) })
	case b.o.Contents && kind == "text":
		if e.texts == nil {
			e.texts = &Texts{Ext: e.Ext}
			b.survey.Texts = append(b.survey.Texts, e.texts)
		}
		return b.opened(m, func(r readerAt) error { return e.texts.add(r, b.piece(m.size)) })
	case b.o.Contents && kind == "json":
		if e.documents == nil {
			e.documents = &Document{Ext: e.Ext}
			b.survey.Documents = append(b.survey.Documents, e.documents)
		}
		d := e.documents
		if m.size > MaxDocument {
			d.TooLarge++
			return nil
		}
		return b.opened(m, func(r readerAt) error { return d.add(r, &b.buf) })
	}
	return nil
}

// opened opens the content of a member for f.
func (b *Builder) opened(m member, f func(r readerAt) error) error {
	r, done, err := m.content.open()
	if err != nil {
		return err
	}
	return errors.Join(f(r), done())
}

// add counts a picture.
func (p *Pictures) add(r io.ReaderAt, size int64) error {
	w := &watchedAt{from: r}
	info, err := picture.Config(w, size)
	switch {
	case w.err != nil:
		return w.err
	case errors.Is(err, picture.ErrUnknown):
		p.Unknown++
	case errors.Is(err, picture.ErrTooFar):
		p.TooFar++
	case err != nil:
		p.Damaged++
	default:
		p.Count++
		p.Formats[info.Format]++
		p.Width.Add(int64(info.Width))
		p.Height.Add(int64(info.Height))
		p.Aspect.Add((1000*int64(info.Width) + int64(info.Height)/2) / int64(info.Height))
	}
	return nil
}

// piece returns a buffer for content of a size, which is used again. One byte more finds the end at once.
func (b *Builder) piece(size int64) []byte {
	n := int(min(piece, max(size, utf8.UTFMax)+1))
	b.buf = slices.Grow(b.buf[:0], n)
	return b.buf[:n]
}

// add counts the characters of a text, a piece at a time.
func (t *Texts) add(r io.Reader, buf []byte) error {
	var characters int64
	valid := true
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		text := buf[:kept+n]
		whole := len(text)
		if err == nil {
			whole = wholeRunes(text)
		}
		characters += int64(utf8.RuneCount(text[:whole]))
		valid = valid && utf8.Valid(text[:whole])
		kept = copy(buf, text[whole:])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	t.Characters.Add(characters)
	if !valid {
		t.NotUTF8++
	}
	return nil
}

// wholeRunes returns how many bytes of a text are before a character of which it may have only the beginning.
func wholeRunes(text []byte) int {
	for i := len(text) - 1; i >= 0 && i >= len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			if utf8.FullRune(text[i:]) {
				break
			}
			return i
		}
	}
	return len(text)
}

// read reads content into a buffer that is used again.
func read(r io.Reader, buf *[]byte) ([]byte, error) {
	b := bytes.NewBuffer((*buf)[:0])
	_, err := b.ReadFrom(io.LimitReader(r, MaxDocument+1))
	*buf = b.Bytes()
	return b.Bytes(), err
}

// document decodes JSON. Numbers stay as they are written.
func document(text []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, err == io.EOF
}

// add counts the fields of a document.
func (d *Document) add(r io.Reader, buf *[]byte) error {
	text, err := read(r, buf)
	if err != nil {
		return err
	}
	v, ok := document(text)
	if !ok {
		d.Invalid++
		return nil
	}
	d.Count++
	if o, isObject := v.(map[string]any); isObject {
		d.fields("", o, 1)
	}
	return nil
}

// fields counts the fields of an object, and those of objects in it.
func (d *Document) fields(before string, o map[string]any, depth int) {
	for name, v := range o {
		path := before + name
		if f := d.field(path); f != nil {
			f.Count++
			f.Types[typeOf(v)]++
		}
		if inner, ok := v.(map[string]any); ok && depth < maxDepth {
			d.fields(path+".", inner, depth+1)
		}
	}
}

// field returns a field by its path; nil if there are too many.
func (d *Document) field(path string) *DocumentField {
	if f := d.known[path]; f != nil {
		return f
	}
	if len(d.Fields) >= MaxFields {
		d.More++
		return nil
	}
	if d.known == nil {
		d.known = make(map[string]*DocumentField)
	}
	f := &DocumentField{Name: anytext.Text(path), Types: make(map[string]int64)}
	d.known[path] = f
	d.Fields = append(d.Fields, f)
	return f
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// value counts the value that a sample has of a field.
func (b *Builder) value(f *Field, members []member) error {
	m, path, ok := fieldOf(string(f.Name), members)
	if !ok {
		return nil
	}
	if path == "" {
		f.Samples++
		if m.size > MaxValue+2 { // and a newline
			f.Values.others++
			return nil
		}
		return b.opened(m, func(r readerAt) error {
			text, err := read(r, &b.buf)
			if err == nil {
				f.Values.Add(strings.TrimSpace(string(text)))
			}
			return err
		})
	}
	if m.size > MaxDocument {
		return nil
	}
	return b.opened(m, func(r readerAt) error {
		text, err := read(r, &b.buf)
		if err != nil {
			return err
		}
		if v, ok := document(text); ok {
			if v, ok = inside(v, path); ok {
				f.Samples++
				f.Values.addJSON(v)
			}
		}
		return nil
	})
}

// fieldOf returns the member that has a field, and the path of the field if the member is JSON.
func fieldOf(name string, members []member) (m member, path string, ok bool) {
	for _, m := range members {
		if m.ext == name {
			return m, "", true
		}
	}
	for _, m := range members {
		if path, ok := strings.CutPrefix(name, m.ext+"."); ok && m.ext != "" && picture.Kind(m.ext) == "json" {
			return m, path, true
		}
	}
	return member{}, "", false
}

// inside returns the field of a value with a path. A name may have dots itself.
func inside(v any, path string) (any, bool) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	if v, ok := o[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] == '.' {
			if v, ok := o[path[:i]]; ok {
				if found, ok := inside(v, path[i+1:]); ok {
					return found, true
				}
			}
		}
	}
	return nil, false
}

// addJSON counts a value of JSON: of an array, each of its values.
func (t *Tally) addJSON(v any) {
	switch v := v.(type) {
	case string:
		t.Add(v)
	case json.Number:
		t.Add(string(v))
	case bool:
		t.Add(map[bool]string{false: "false", true: "true"}[v])
	case nil:
		t.Add("null")
	case []any:
		for _, v := range v {
			t.addJSON(v)
		}
	default:
		t.others++
	}
}
