package lint

import (
	"archive/tar"
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// python reads headers as Python's tarfile does. Where tarfile finds a number that it cannot parse it ends as at the end
// marker, or fails if that is the first header or one after an extended header; and it combines names from several
// headers by rules of its own. The readers that use it lose or rename what other readers find.
type python struct {
	global  pyRecords // of global headers: they count for all members after them
	pending []byte    // headers since the last member: to tarfile, global headers are a part of the next member
	first   bool      // the pending ones are the first of the shard
	later   bool      // the global headers came after a member
	over    bool      // tarfile has stopped or failed
}

// maxPending is how many bytes of headers before one member are read as tarfile does, which at some depth gives up too.
const maxPending = 4 << 20

// pyMember is a member as tarfile has it.
type pyMember struct {
	name    string
	regular bool
	size    int64
	skips   bool   // its content is skipped
	skip    int64  // where tarfile looks for the next header, from the end of this one's
	lost    bool   // there is none
	global  bool   // a global header says what it is
	later   bool   // which is not the first entry of the shard
	why     string // what made the member what it is, if that is unusual
}

// pyError is why tarfile reads no further.
type pyError struct {
	fails bool // with an exception
	why   string
}

// read reads the headers of an entry. It returns nothing for a global header and after tarfile has ended.
func (p *python) read(e *index.Entry, headers []byte) (*pyMember, *pyError) {
	if p.over {
		return nil, nil
	}
	global := e.Type == tar.TypeXGlobalHeader
	if len(p.pending) == 0 {
		p.first = e.Header == 0
	}
	if global || len(p.pending) > 0 {
		p.pending = append(p.pending, headers...)
		headers = p.pending
	}
	if len(headers) > maxPending {
		return nil, p.end(&pyError{true, "too many extended headers in a row"})
	}
	if global {
		p.later = p.later || !p.first
		return nil, nil
	}
	m, err := p.next(headers)
	p.pending = p.pending[:0]
	if err != nil {
		err.fails = err.fails || p.first
		return nil, p.end(err)
	}
	m.lost = m.skip != e.End-e.Data
	p.over = m.lost
	return m, nil
}

// finish returns why tarfile fails at extended headers after the last member, of which rest is the end.
func (p *python) finish(rest []byte) *pyError {
	if p.over || len(p.pending)+len(rest) == 0 {
		return nil
	}
	return p.end(&pyError{true, "no member follows"})
}

func (p *python) end(err *pyError) *pyError {
	p.over = true
	return err
}

// pyNumbers are the fields of a header that tarfile parses as numbers.
var pyNumbers = [...]struct {
	name     string
	from, to int
}{
	{"mode", 100, 108}, {"uid", 108, 116}, {"gid", 116, 124}, {"size", 124, 136}, {"mtime", 136, 148},
	{"checksum", 148, 156}, {"devmajor", 329, 337}, {"devminor", 337, 345},
}

// next reads the first header and those that belong to it.
func (p *python) next(headers []byte) (*pyMember, *pyError) {
	if len(headers) < index.BlockSize {
		return nil, &pyError{true, "no member follows"}
	}
	b, rest := headers[:index.BlockSize], headers[index.BlockSize:]
	for _, field := range pyNumbers {
		if _, ok := pyNumber(b[field.from:field.to]); !ok {
			return nil, &pyError{why: "the field " + field.name + " of a header is no number"}
		}
	}
	size, _ := pyNumber(b[124:136])
	switch kind := b[156]; kind {
	case 'L', 'K', 'x', 'X', 'g':
		content := rest[:min(int64(len(rest)), blocks(size))]
		m, err := p.special(kind, content, rest[len(content):])
		if err != nil {
			err.fails = true // any error after an extended header is an exception
		}
		return m, err
	}
	m, err := p.member(b, size)
	if err == nil && b[156] != 'S' {
		m.skip -= int64(len(rest)) // a map of holes, which is content to tarfile
	}
	return m, err
}

// special reads an extended header and the member after it.
func (p *python) special(kind byte, content, rest []byte) (*pyMember, *pyError) {
	if kind == 'L' || kind == 'K' {
		m, err := p.next(rest)
		if err == nil && kind == 'L' {
			m.name = pyText(content)
		}
		return m, err
	}
	records := &p.global
	if kind != 'g' {
		own := p.global.clone()
		records = &own
	}
	records.parse(content)
	m, err := p.next(rest)
	switch {
	case err != nil:
		return nil, err
	case kind == 'g' && records.sparse():
		return nil, &pyError{true, "a global header declares members with holes"}
	case kind != 'g':
		if stacked(rest) {
			m.why = "there are several extended headers before it, and the first one counts"
		}
		err := records.apply(m)
		if m.skips && records.has("size") {
			m.skip = blocks(m.size)
		}
		return m, err
	}
	return m, nil
}

// stacked reports whether another header of a name comes first in rest.
func stacked(rest []byte) bool {
	return len(rest) > 156 && strings.IndexByte("LxX", rest[156]) >= 0
}

// member reads the last header of a member.
func (p *python) member(b []byte, size int64) (*pyMember, *pyError) {
	m := &pyMember{name: pyText(b[0:100]), size: size}
	kind := b[156]
	if m.skips = strings.IndexByte("123456", kind) < 0; m.skips {
		m.skip = blocks(size)
	}
	directory := kind == '5' || kind == 0 && strings.HasSuffix(m.name, "/")
	m.regular = strings.IndexByte("0\x007S", kind) >= 0 && !directory
	if directory {
		m.skips, m.skip = false, 0
	}
	if kind == 'S' {
		whole, ok := pyNumber(b[483:495])
		if !ok {
			return nil, &pyError{why: "the size of a member with holes is no number"}
		}
		m.size = whole
	}
	if prefix := pyText(b[345:500]); prefix != "" && kind != 'S' {
		m.name = prefix + "/" + m.name
		if string(b[257:263]) != "ustar\x00" {
			m.why = "there is something where ustar has a prefix of the name"
		}
	}
	if len(p.global) > 0 {
		before := *m
		if err := p.global.apply(m); err != nil {
			return nil, err
		}
		if before != *m {
			m.why, m.global, m.later = "a global header says so", true, p.later
		}
	}
	return m, nil
}

// pyRecords are the records of extended headers that decide names and sizes, in the order of their first appearance.
type pyRecords []pyRecord

type pyRecord struct{ key, value string }

func (r pyRecords) clone() pyRecords { return append(pyRecords(nil), r...) }

// parse sets the records of an extended header, up to the first that is none.
func (r *pyRecords) parse(content []byte) {
	for len(content) > 0 {
		digits, _, ok := bytes.Cut(content, []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n <= len(digits)+1 || n > len(content) {
			return
		}
		key, value, ok := strings.Cut(string(content[len(digits)+1:n-1]), "=")
		if !ok {
			return
		}
		r.set(key, value)
		content = content[n:]
	}
}

func (r *pyRecords) set(key, value string) {
	switch key {
	case "path", "size", "GNU.sparse.name", "GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.major",
		"GNU.sparse.minor", "GNU.sparse.map":
	default:
		return
	}
	for i := range *r {
		if (*r)[i].key == key {
			(*r)[i].value = value
			return
		}
	}
	*r = append(*r, pyRecord{key, value})
}

// get returns the value of a record, or "".
func (r pyRecords) get(key string) string {
	if i := slices.IndexFunc(r, func(record pyRecord) bool { return record.key == key }); i >= 0 {
		return r[i].value
	}
	return ""
}

func (r pyRecords) has(key string) bool {
	return slices.ContainsFunc(r, func(record pyRecord) bool { return record.key == key })
}

// sparse reports whether the records say that a member has holes, in a way that tarfile knows.
func (r pyRecords) sparse() bool {
	return r.get("GNU.sparse.map") != "" || r.get("GNU.sparse.size") != "" ||
		r.get("GNU.sparse.major") == "1" && r.get("GNU.sparse.minor") == "0"
}

// apply sets what the records say of a member.
func (r pyRecords) apply(m *pyMember) *pyError {
	for _, record := range r {
		size, err := strconv.ParseInt(strings.TrimSpace(record.value), 10, 64)
		switch record.key {
		case "path":
			m.name = strings.TrimRight(record.value, "/")
		case "GNU.sparse.name":
			m.name = record.value
		case "size":
			m.size = size // 0 if it is no number
		case "GNU.sparse.size", "GNU.sparse.realsize":
			if err != nil {
				return &pyError{true, "the size of a member with holes is no number"}
			}
			m.size = size
		}
	}
	return nil
}

// blocks returns a size in whole blocks.
func blocks(size int64) int64 {
	return (max(size, 0) + index.BlockSize - 1) / index.BlockSize * index.BlockSize
}

// pyText returns the bytes before the first NUL.
func pyText(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}

// pyNumber parses a number as tarfile does: in base 256, or by int(text, 8).
func pyNumber(b []byte) (n int64, ok bool) {
	if b[0] == 0x80 || b[0] == 0xff {
		for _, c := range b[1:] {
			n = n<<8 | int64(c)
		}
		return n, true // the size has been read before, so it is a number of 63 bits
	}
	text := strings.Trim(pyText(b), " \t\n\v\f\r\x1c\x1d\x1e\x1f")
	if text == "" {
		return 0, true
	}
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	if len(text) > 1 && text[0] == '0' && (text[1] == 'o' || text[1] == 'O') {
		text = strings.TrimPrefix(text[2:], "_")
	}
	digit := false // the last one was a digit, not an underscore
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '7':
			n, digit = n<<3|int64(c-'0'), true
		case c == '_' && digit:
			digit = false
		default:
			return 0, false
		}
	}
	if negative {
		n = -n
	}
	return n, digit
}
