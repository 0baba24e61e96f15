package gallery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/picture"
)

// mostValue is how many bytes of a member are compared.
const mostValue = 64 << 10

// subject is a sample that is compared with a query. It finds out what it is asked for.
type subject struct {
	ctx     context.Context // of the work
	shard   string          // the name of the source
	samples samples
	number  int

	x     *index.Index // of a sample that is as in its shard; else nil
	key   []byte       // valid if keyed
	keyed bool
	e     *entry
	buf   []byte // memory for keys
}

// set makes it another sample.
func (s *subject) set(of *segment, number int) {
	s.shard, s.samples, s.number, s.keyed, s.e, s.x = of.part.shown, of.samples, number, false, nil, nil
	if x, ok := of.samples.unchanged(number); ok {
		s.x = x
	}
}

// keyBytes returns the key, which is valid until the next sample is set.
func (s *subject) keyBytes() ([]byte, error) {
	if s.keyed {
		return s.key, nil
	}
	if s.x != nil {
		s.buf = s.x.AppendKey(s.buf[:0], s.number)
		s.key = s.buf
	} else {
		e, err := s.entry()
		if err != nil {
			return nil, err
		}
		s.key = []byte(e.key)
	}
	s.keyed = true
	return s.key, nil
}

// entry returns all of the sample.
func (s *subject) entry() (*entry, error) {
	if s.e == nil {
		e, err := s.samples.entry(s.number)
		if err != nil {
			return nil, err
		}
		s.e = &e
	}
	return s.e, nil
}

// isNow reports whether a member is in the sample as it is now; of a deleted sample all count.
func (e *entry) isNow(m *member) bool { return m.change != deleted || e.change == deleted }

// find returns the first member with an extension; nil if there is none.
func (e *entry) find(ext string) *member {
	for i := range e.members {
		if m := &e.members[i]; m.ext == ext && e.isNow(m) {
			return m
		}
	}
	return nil
}

type (
	allOf      []query
	anyOf      []query
	not        struct{ query }
	keyHas     string
	keyIs      string
	keyBegins  string
	keyMatches struct{ compare }
	shardIs    struct {
		compare      // with the whole name, or ==, != and a prefix with that without its directory
		begins  bool // the text is a prefix
	}
	hasExt    string
	hasChange string
	sizeIs    struct {
		ext      string // "": all members together
		operator string
		size     float64
	}
	fieldIs struct {
		name string
		compare
	}
)

func (q allOf) match(s *subject) (bool, error) {
	for _, one := range q {
		if ok, err := one.match(s); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (q anyOf) match(s *subject) (bool, error) {
	for _, one := range q {
		if ok, err := one.match(s); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (q not) match(s *subject) (bool, error) {
	ok, err := q.query.match(s)
	return !ok, err
}

func (q keyHas) match(s *subject) (bool, error) {
	key, err := s.keyBytes()
	return bytes.Contains(key, []byte(q)), err
}

func (q keyIs) match(s *subject) (bool, error) {
	key, err := s.keyBytes()
	return string(key) == string(q), err
}

func (q keyBegins) match(s *subject) (bool, error) {
	key, err := s.keyBytes()
	return len(key) >= len(q) && string(key[:len(q)]) == string(q), err
}

func (q keyMatches) match(s *subject) (bool, error) {
	key, err := s.keyBytes()
	if err != nil {
		return false, err
	}
	if q.pattern != nil {
		return q.pattern.Match(key) == (q.operator == "~"), nil
	}
	return (string(key) == q.text) == (q.operator == "=="), nil
}

func (q shardIs) match(s *subject) (bool, error) {
	base := s.shard[strings.LastIndexByte(s.shard, '/')+1:]
	switch {
	case q.pattern != nil:
		return q.pattern.MatchString(s.shard) == (q.operator == "~"), nil
	case q.begins:
		return strings.HasPrefix(s.shard, q.text) || strings.HasPrefix(base, q.text), nil
	}
	return (s.shard == q.text || base == q.text) == (q.operator == "=="), nil
}

func (q hasExt) match(s *subject) (bool, error) {
	if s.x != nil {
		for row, end := s.x.SampleRows(s.number); row < end; row++ {
			if s.x.HasExt(row, string(q)) {
				return true, nil
			}
		}
		return false, nil
	}
	e, err := s.entry()
	return err == nil && e.find(string(q)) != nil, err
}

func (q hasChange) match(s *subject) (bool, error) {
	if s.x != nil {
		return false, nil
	}
	e, err := s.entry()
	return err == nil && e.change == string(q), err
}

func (q sizeIs) match(s *subject) (bool, error) {
	var sum int64
	found := q.ext == ""
	if s.x != nil {
		for row, end := s.x.SampleRows(s.number); row < end; row++ {
			if q.ext == "" && s.x.InSample(row) || q.ext != "" && s.x.HasExt(row, q.ext) {
				_, size := s.x.Content(row)
				sum, found = sum+size, true
			}
		}
		return found && holds(q.operator, float64(sum), q.size), nil
	}
	e, err := s.entry()
	if err != nil {
		return false, err
	}
	for i := range e.members {
		if m := &e.members[i]; e.isNow(m) && (q.ext == "" || m.ext == q.ext) {
			sum, found = sum+m.size, true
		}
	}
	return found && holds(q.operator, float64(sum), q.size), nil
}

// holds reports whether an operator holds between two numbers.
func holds(operator string, a, b float64) bool {
	switch operator {
	case "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

func (q fieldIs) match(s *subject) (bool, error) {
	e, err := s.entry()
	if err != nil {
		return false, err
	}
	found := false
	err = fieldValues(s.ctx, s.samples, e, q.name, func(value string) {
		found = found || q.holds(value)
	})
	return found, err
}

// compare is a comparison of a text.
type compare struct {
	operator string
	text     string
	pattern  *regexp.Regexp // of ~ and !~
	number   float64        // if isNumber
	isNumber bool
}

// holds reports whether the comparison holds for a text.
func (c *compare) holds(value string) bool {
	switch c.operator {
	case "~":
		return c.pattern.MatchString(value)
	case "!~":
		return !c.pattern.MatchString(value)
	}
	if c.isNumber {
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			return holds(c.operator, n, c.number)
		}
	}
	switch c.operator {
	case "==":
		return value == c.text
	case "!=":
		return value != c.text
	}
	return false
}

func (q allOf) reads() bool      { return readsAny(q) }
func (q anyOf) reads() bool      { return readsAny(q) }
func (q keyHas) reads() bool     { return false }
func (q keyIs) reads() bool      { return false }
func (q keyBegins) reads() bool  { return false }
func (q keyMatches) reads() bool { return false }
func (q shardIs) reads() bool    { return false }
func (q hasExt) reads() bool     { return false }
func (q hasChange) reads() bool  { return false }
func (q sizeIs) reads() bool     { return false }
func (q fieldIs) reads() bool    { return true }

func readsAny(list []query) bool {
	for _, q := range list {
		if q.reads() {
			return true
		}
	}
	return false
}

// fieldValues calls f with the values of a field: the content of the member with that extension, or what is in a member
// with JSON. What cannot be read as that has no value.
func fieldValues(ctx context.Context, s samples, e *entry, name string, f func(value string)) error {
	if m := e.find(name); m != nil {
		text, err := valueOf(ctx, s, m)
		if err == nil && text != nil {
			f(strings.TrimSpace(string(text)))
		}
		return err
	}
	for i := range e.members {
		m := &e.members[i]
		path, ok := strings.CutPrefix(name, m.ext+".")
		if !ok || m.ext == "" || picture.Kind(m.ext) != "json" || !e.isNow(m) {
			continue
		}
		text, err := valueOf(ctx, s, m)
		if err != nil || text == nil {
			return err
		}
		var v any
		if json.Unmarshal(text, &v) == nil {
			inside(v, path, f)
		}
		return nil
	}
	return nil
}

// valueOf returns the content of a member; nil if it is longer than mostValue, or not there any more.
func valueOf(ctx context.Context, s samples, m *member) ([]byte, error) {
	if m.size > mostValue {
		return nil, nil
	}
	b, err := head(ctx, s, m, mostValue)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errSpecial) {
		return nil, nil
	}
	return b, err
}

// inside calls f with the values at a path in a value of JSON. Of an array it takes each value; names may have dots.
func inside(v any, path string, f func(value string)) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			inside(one, path, f)
		}
	case map[string]any:
		if one, ok := v[path]; ok && path != "" {
			inside(one, "", f)
			return
		}
		for i := range len(path) {
			if one, ok := v[path[:i]]; ok && path[i] == '.' {
				inside(one, path[i+1:], f)
				return
			}
		}
	default:
		if text, ok := scalar(v); ok && path == "" {
			f(text)
		}
	}
}

// scalar returns a value of JSON as a text; false for arrays and objects.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "null", true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case string:
		return v, true
	}
	return "", false
}
