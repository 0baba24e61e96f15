package lint

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// headers checks the headers of entries as Python and Go read them.
type headers struct {
	python   python
	extended bool // the last entry has extended headers
}

// add checks the headers of the next entry.
func (h *headers) add(s *Shard, e *index.Entry, b []byte, at subject) {
	if len(b) < index.BlockSize {
		return
	}
	h.extended = len(b) > index.BlockSize
	last := b[lastHeader(b):][:index.BlockSize]
	s.checkKind(e, b, last, at)
	if simple(b) && len(h.python.global) == 0 && len(h.python.pending) == 0 {
		return
	}
	m, err := h.python.read(e, b)
	switch {
	case err != nil && err.fails:
		s.report(PythonFails, at, err.why)
	case err != nil:
		s.report(PythonStops, at, err.why)
	case m != nil && m.lost:
		s.report(PythonStops, at, "the member has another size there")
	case m != nil && (m.regular || e.Regular) && (m.regular != e.Regular || m.name != at.member || m.size != e.Size):
		s.reportCase(PythonDiffers, m.variant(e), at, described(m.name, m.regular, m.size), m.reason())
	}
	if e.Type == tar.TypeXGlobalHeader {
		return
	}
	v := readGo(b)
	switch {
	case v.err != nil && minus(b[136:148]):
		s.reportCase(GoFails, "time with a minus", at, v.err)
	case v.err != nil:
		s.report(GoFails, at, v.err)
	case (v.regular || e.Regular) && (v.regular != e.Regular || v.name != at.member || v.size != e.Size):
		s.report(GoDiffers, at, described(v.name, v.regular, v.size))
	}
}

// described describes a member.
func described(name string, regular bool, size int64) string {
	if !regular {
		return fmt.Sprintf("%q, which is no regular file,", name)
	}
	return fmt.Sprintf("%q of %d bytes", name, size)
}

// minus reports whether GNU tar takes a time for one in base 64, which old versions of it wrote after a minus.
func minus(field []byte) bool { return field[0] == '-' && len(pyText(field)) <= 11 }

// variant returns how a member differs from an entry: in a way that comes from a global header, or in its key.
func (m *pyMember) variant(e *index.Entry) string {
	key, _, keyed := index.MemberKey(m.name)
	ours, _, oursKeyed := index.MemberKey(string(e.Name))
	keyed, oursKeyed = keyed && m.regular, oursKeyed && e.Regular
	switch {
	case m.global && m.later:
		return "global header amid"
	case m.global:
		return "global header"
	case oursKeyed && !keyed:
		return "no key"
	case keyed && !oursKeyed:
		return "a key"
	case key != ours && strings.Contains(key, "/") && !strings.Contains(ours, "/"):
		return "a key with a slash"
	case key != ours:
		return "another key"
	}
	return ""
}

// reason returns why a member is what it is.
func (m *pyMember) reason() string {
	if m.why == "" {
		return "it reads extended headers by other rules"
	}
	return m.why
}

// lastHeader returns where the last header of a member begins among its headers.
func lastHeader(b []byte) int {
	at := 0
	for at+index.BlockSize < len(b) {
		switch b[at+156] {
		case 'x', 'X', 'g', 'L', 'K':
			size, ok := pyNumber(b[at+124 : at+136])
			if !ok {
				return at
			}
			at += index.BlockSize + int(min(blocks(size), int64(len(b)-at-2*index.BlockSize)))
			continue
		}
		break
	}
	return at
}

// checkKind reports what kind of header a regular member has.
func (s *Shard) checkKind(e *index.Entry, b, last []byte, at subject) {
	if len(b) > index.BlockSize && e.Sparse == nil && e.Type != tar.TypeXGlobalHeader {
		variant := extendedKind(e, b, last)
		if !s.regular {
			variant += ", first"
		}
		s.reportCase(ExtendedHeader, variant, at, variant)
	}
	if !e.Regular {
		return
	}
	s.reportIf(e.Type == '7', Contiguous, at)
	s.reportIf(e.Header == 0 && string(last[257:262]) != "ustar", OldHeader, at)
	s.reportIf(last[124]&0x80 != 0, Huge, at)
	s.reportIf(last[345] != 0 && string(last[257:263]) == "ustar\x00", SplitName, at)
	s.reportIf(last[124]&0x80 == 0 && octalDigit(last[135]), UnendedSize, at)
	if e.Sparse != nil {
		s.reportCase(Sparse, sparseKind(b), at)
	}
}

func octalDigit(c byte) bool { return c >= '0' && c <= '7' }

// sparseKind returns the format of a member with holes.
func sparseKind(b []byte) string {
	switch {
	case bytes.Contains(b, []byte(" GNU.sparse.major=1\n")):
		return "PAX 1.0"
	case bytes.Contains(b, []byte(" GNU.sparse.map=")):
		return "PAX 0.1"
	case bytes.Contains(b, []byte(" GNU.sparse.")):
		return "PAX 0.0"
	}
	return "GNU"
}

// extendedKind returns of which kinds the extended headers of a member are, in order, and whether they have its name; at
// last, whether the name in the plain header has no key.
func extendedKind(e *index.Entry, b, last []byte) string {
	var kinds []string
	_, _, keyed := index.MemberKey(string(e.Name))
	named := keyed && e.Regular && pyText(last[:100]) != string(e.Name)
	for at := 0; at+index.BlockSize < len(b); {
		kind := "PAX"
		switch b[at+156] {
		case 'L':
			if kind = "GNU"; named {
				kind = "GNU name"
			}
		case 'K':
			kind = "GNU link"
		}
		size, _ := pyNumber(b[at+124 : at+136])
		content := b[at+index.BlockSize:]
		content = content[:min(blocks(size), int64(len(content)))]
		if kind != "GNU link" && bytes.Contains(content, []byte(" path=")) && named {
			kind = "PAX name"
		}
		if len(kinds) < 2 {
			kinds = append(kinds, kind)
		}
		at += index.BlockSize + len(content)
	}
	if _, _, ok := index.MemberKey(pyText(last[:100])); named && !ok {
		kinds = append(kinds, "cut")
	}
	if size, _ := pyNumber(last[124:136]); e.Regular && size != e.Stored {
		kinds = append(kinds, "size")
	}
	return strings.Join(kinds, ", ")
}

// finish checks headers after the last member, which begin at byte end.
func (h *headers) finish(s *Shard, end int64, rest []byte) {
	at := subject{member: string(s.last), offset: end}
	if len(rest) > 0 {
		h.python.end(nil)
		s.report(DanglingHeader, at)
	} else if err := h.python.finish(rest); err != nil {
		s.reportCase(PythonFails, "global header last", at, "a global header that no member follows")
	}
}
