package lint

import (
	"bufio"
	"fmt"
	"io"
	"unicode/utf8"
)

// shape is of what types a JSON value is.
type shape struct {
	kind   byte // 'n'ull, 'b'ool, 'i'nt, 'f'loat, 's'tring, '[' or '{'; 0 if it is not known
	item   *shape
	fields map[string]*shape
}

// Limits of what is kept of a document.
const (
	maxShapes = 10_000
	maxDepth  = 10_000
)

// jsonReader reads a JSON document as Python's json.loads does: NaN and Infinity are numbers.
type jsonReader struct {
	in     *bufio.Reader
	at     int64
	depth  int
	shapes int
	text   []byte // the last string as it is written, up to some length
	mixed  bool   // there is a list of several types
}

// readJSON reads a whole document.
func readJSON(r io.Reader) (s *shape, mixed bool, err error) {
	j := &jsonReader{in: bufio.NewReader(r)}
	if head, _ := j.in.Peek(4); len(head) >= 2 && (head[0] == 0 || head[1] == 0 || head[0] >= 0xfe) {
		return &shape{}, false, nil // UTF-16 or UTF-32, which Python reads too
	} else if len(head) >= 3 && string(head[:3]) == "\xef\xbb\xbf" {
		j.in.Discard(3)
	}
	if s, err = j.value(); err == nil {
		if c := j.next(); c >= 0 {
			err = j.errorf("%q after the end", c)
		}
	}
	return s, j.mixed, err
}

func (j *jsonReader) errorf(format string, args ...any) error {
	return fmt.Errorf("byte %d: %s", j.at, fmt.Sprintf(format, args...))
}

// next returns the next byte that is no blank; -1 at the end.
func (j *jsonReader) next() rune {
	for {
		c := j.byte()
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
}

func (j *jsonReader) byte() rune {
	c, err := j.in.ReadByte()
	if err != nil {
		return -1
	}
	j.at++
	return rune(c)
}

func (j *jsonReader) back() {
	if j.in.UnreadByte() == nil {
		j.at--
	}
}

func (j *jsonReader) shape(kind byte) *shape {
	if j.shapes++; j.shapes > maxShapes {
		return &shape{}
	}
	return &shape{kind: kind}
}

func (j *jsonReader) value() (*shape, error) {
	if j.depth++; j.depth > maxDepth {
		return nil, j.errorf("nested too deeply")
	}
	defer func() { j.depth-- }()
	switch c := j.next(); {
	case c == '{':
		return j.object()
	case c == '[':
		return j.list()
	case c == '"':
		return j.shape('s'), j.string()
	case c == '-' || c >= '0' && c <= '9':
		return j.number(c)
	case c == 't':
		return j.shape('b'), j.word("rue")
	case c == 'f':
		return j.shape('b'), j.word("alse")
	case c == 'n':
		return j.shape('n'), j.word("ull")
	case c == 'N':
		return j.shape('f'), j.word("aN")
	case c == 'I':
		return j.shape('f'), j.word("nfinity")
	case c < 0:
		return nil, j.errorf("nothing where a value should be")
	default:
		return nil, j.errorf("%q where a value should be", c)
	}
}

func (j *jsonReader) word(rest string) error {
	for _, want := range rest {
		if c := j.byte(); c != want {
			return j.errorf("an unknown word")
		}
	}
	return nil
}

func (j *jsonReader) object() (*shape, error) {
	s := j.shape('{')
	if s.kind != 0 {
		s.fields = make(map[string]*shape)
	}
	for c := j.next(); c != '}'; {
		if c != '"' {
			return nil, j.errorf("no name of a field")
		}
		if err := j.string(); err != nil {
			return nil, err
		}
		name := string(j.text)
		if j.next() != ':' {
			return nil, j.errorf("no colon after a name")
		}
		v, err := j.value()
		if err != nil {
			return nil, err
		}
		if s.fields != nil && len(name) < maxText {
			s.fields[name] = v
		}
		if c = j.next(); c == ',' {
			if c = j.next(); c == '}' {
				return nil, j.errorf("a comma at the end")
			}
		} else if c != '}' {
			return nil, j.errorf("neither a comma nor the end of an object")
		}
	}
	return s, nil
}

func (j *jsonReader) list() (*shape, error) {
	s := j.shape('[')
	s.item = &shape{kind: 'n'}
	c := j.next()
	if c == ']' {
		return s, nil
	}
	for j.back(); c != ']'; {
		v, err := j.value()
		if err != nil {
			return nil, err
		}
		item, ok := merge(s.item, v, true)
		s.item, j.mixed = item, j.mixed || !ok
		if c = j.next(); c != ',' && c != ']' {
			return nil, j.errorf("neither a comma nor the end of a list")
		}
	}
	return s, nil
}

// maxText is how much of a string is kept.
const maxText = 256

// string reads the rest of a string into text.
func (j *jsonReader) string() error {
	j.text = j.text[:0]
	var char []byte // an incomplete one of several bytes
	for {
		c := j.byte()
		switch {
		case c < 0:
			return j.errorf("a string without an end")
		case len(char) > 0 || c >= utf8.RuneSelf:
			if char = append(char, byte(c)); !utf8.FullRune(char) {
				break
			}
			if r, n := utf8.DecodeRune(char); r == utf8.RuneError && n < 2 {
				return j.errorf("not UTF-8")
			}
			char = char[:0]
		case c == '"':
			return nil
		case c < ' ':
			return j.errorf("a control character in a string")
		case c == '\\':
			j.keep(c)
			if err := j.escape(); err != nil {
				return err
			}
			continue
		}
		j.keep(c)
	}
}

// keep adds a byte to text.
func (j *jsonReader) keep(c rune) {
	if len(j.text) < maxText {
		j.text = append(j.text, byte(c))
	}
}

// escape reads the rest of an escape into text.
func (j *jsonReader) escape() error {
	c := j.byte()
	j.keep(c)
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			c := j.byte()
			j.keep(c)
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return j.errorf("a bad escape")
			}
		}
		return nil
	}
	return j.errorf("a bad escape")
}

// number reads a number that begins with c.
func (j *jsonReader) number(c rune) (*shape, error) {
	s := j.shape('i')
	if c == '-' {
		if c = j.byte(); c == 'I' {
			s.kind = 'f'
			return s, j.word("nfinity")
		}
	}
	if c < '0' || c > '9' {
		return nil, j.errorf("no digit after a minus")
	}
	if c == '0' {
		c = j.byte()
	} else {
		c = j.digits()
	}
	if c == '.' {
		s.kind = 'f'
		if c = j.byte(); c < '0' || c > '9' {
			return nil, j.errorf("no digit after a point")
		}
		c = j.digits()
	}
	if c == 'e' || c == 'E' {
		s.kind = 'f'
		if c = j.byte(); c == '+' || c == '-' {
			c = j.byte()
		}
		if c < '0' || c > '9' {
			return nil, j.errorf("no digit in an exponent")
		}
		c = j.digits()
	}
	if c >= 0 {
		j.back()
	}
	return s, nil
}

// digits returns the first byte after digits.
func (j *jsonReader) digits() rune {
	for {
		if c := j.byte(); c < '0' || c > '9' {
			return c
		}
	}
}

// merge returns the types of two values as one field of a table; false if no field can hold both. One of them may be null,
// and whole numbers become real ones in a list.
func merge(a, b *shape, inList bool) (*shape, bool) {
	switch {
	case a == nil || a.kind == 'n':
		return b, true
	case b == nil || b.kind == 'n' || a.kind == 0 || b.kind == 0:
		return a, true
	case inList && (a.kind == 'i' && b.kind == 'f' || a.kind == 'f' && b.kind == 'i'):
		return &shape{kind: 'f'}, true
	case a.kind != b.kind:
		return a, false
	case a.kind == '[':
		item, ok := merge(a.item, b.item, inList)
		return &shape{kind: '[', item: item}, ok
	case a.kind != '{':
		return a, true
	}
	both := &shape{kind: '{', fields: make(map[string]*shape, len(a.fields))}
	same := true
	for name, v := range a.fields {
		both.fields[name] = v
	}
	for name, v := range b.fields {
		field, ok := merge(both.fields[name], v, inList)
		both.fields[name], same = field, same && ok
	}
	return both, same
}
