package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// maxExtents is how many extents a sparse member may have; archive/tar has the same limit.
const maxExtents = 1 << 20

var errSparse = errors.New("bad sparse map")

// sparseMap is the map of a sparse member. Its memory is reused for the next one.
type sparseMap struct {
	extents []Extent // not empty, and not adjacent to each other
	count   int      // number of extents in the tar's map
	end     int64    // end of the last one
	stored  int64    // total length of all extents
}

func (m *sparseMap) reset() { *m = sparseMap{extents: m.extents[:0]} }

// add adds the next extent, which must come after the last one.
func (m *sparseMap) add(off, length int64) error {
	if m.count == maxExtents {
		return fmt.Errorf("%w: more than %d extents", errSparse, maxExtents)
	}
	if off < m.end || length < 0 || length > math.MaxInt64-off {
		return errSparse
	}
	m.count++
	m.end = off + length
	m.stored += length
	last := len(m.extents) - 1
	switch {
	case length == 0: // GNU tar marks the end of the file like this
	case last >= 0 && m.extents[last].end() == off:
		m.extents[last].Len += length
	default:
		m.extents = append(m.extents, Extent{off, length})
	}
	return nil
}

// finish compares the map with the sizes of the member and returns its extents, nil if there is no hole.
func (m *sparseMap) finish(size, stored int64) ([]Extent, error) {
	if m.end > size || m.stored != stored {
		return nil, fmt.Errorf("%w: %d bytes up to %d, where %d of %d are stored",
			errSparse, m.stored, m.end, stored, size)
	}
	if stored == size {
		return nil, nil
	}
	if m.extents == nil {
		m.extents = []Extent{} // only a hole
	}
	return m.extents, nil
}

// addFields adds the extents of an old GNU header: two numbers of 12 bytes each, up to the first empty one.
func (m *sparseMap) addFields(b block) error {
	for ; len(b) >= 24 && b[0] != 0; b = b[24:] {
		off, offErr := parseNumber(b[:12])
		length, lengthErr := parseNumber(b[12:24])
		if offErr != nil || lengthErr != nil {
			return errSparse
		}
		if err := m.add(off, length); err != nil {
			return err
		}
	}
	return nil
}

// addList adds the extents of a PAX header: alternating offsets and lengths, separated by commas.
func (m *sparseMap) addList(list []byte) error {
	for more := len(list) > 0; more; {
		var off, length []byte
		off, list, _ = bytes.Cut(list, []byte(","))
		length, list, more = bytes.Cut(list, []byte(","))
		o, offErr := parseDecimal(string(off))
		n, lengthErr := parseDecimal(string(length))
		if offErr != nil || lengthErr != nil {
			return errSparse
		}
		if err := m.add(o, n); err != nil {
			return err
		}
	}
	return nil
}

// parseDecimal parses a decimal number without a sign.
func parseDecimal(s string) (n int64, err error) {
	if s == "" {
		return 0, errHeader
	}
	for i := range len(s) {
		if n, err = appendDigit(n, s[i]); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// appendDigit returns the number n with one more decimal digit.
func appendDigit(n int64, c byte) (int64, error) {
	if c < '0' || c > '9' || n > (math.MaxInt64-int64(c-'0'))/10 {
		return 0, errHeader
	}
	return n*10 + int64(c-'0'), nil
}

// paxSparse has the values of the GNU.sparse records of a PAX header. There are three formats: in 0.0 each extent has
// two records, in 0.1 one record has all extents, and in 1.0 the map is in front of the content.
type paxSparse struct {
	major, minor string
	name         []byte // name of the member; the record path may have another one for other readers. Empty: not set
	size         string // size including holes, in 0.0 and 0.1
	realSize     string // size including holes, in 1.0
	blocks       string // number of extents in the list
	list         []byte // extents: alternating offsets and lengths, separated by commas
	halves       int    // number of 0.0 records in the list, two per extent
}

// set applies one record; its key is without the prefix GNU.sparse.
func (p *paxSparse) set(key, value string) error {
	switch key {
	case "major":
		p.major = value
	case "minor":
		p.minor = value
	case "name":
		if strings.IndexByte(value, 0) >= 0 {
			return errHeader
		}
		p.name = []byte(value)
	case "size":
		p.size = value
	case "realsize":
		p.realSize = value
	case "numblocks":
		p.blocks = value
	case "map":
		if p.halves == 0 {
			p.list = []byte(value)
		}
	case "offset", "numbytes":
		if p.halves == 0 {
			p.list = nil
		}
		if (p.halves%2 == 0) != (key == "offset") || strings.IndexByte(value, ',') >= 0 {
			return errSparse
		}
		if p.halves > 0 {
			p.list = append(p.list, ',')
		}
		p.list = append(p.list, value...)
		p.halves++
	}
	return nil
}

// listed and inFront report whether the map is in the records or in front of the content. If neither, the format is
// unknown.
func (p *paxSparse) listed() bool {
	return p.major == "0" && (p.minor == "0" || p.minor == "1") || p.major == "" && p.minor == "" && len(p.list) > 0
}

func (p *paxSparse) inFront() bool { return p.major == "1" && p.minor == "0" }

// readSparse completes a sparse entry whose last header is the block b at offset at, with PAX records p; nil if there
// are none.
func (s *Scanner) readSparse(at int64, b block, p *paxSparse) error {
	e, m := &s.entry, &s.sparse
	m.reset()
	var err error
	switch {
	case b.typeflag() == typeGNUSparse:
		err = s.readOldMap(b)
	case p.listed() || p.inFront():
		err = s.readPAXMap(p)
	default:
		e.Regular = false // content in an unknown format cannot be shown; pack still copies it
		return nil
	}
	if err == nil {
		e.Sparse, err = m.finish(e.Size, e.Stored)
	}
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return fmt.Errorf("%w: member %d %q has no whole header, at byte %d",
			ErrTruncated, s.count, e.Name, s.in.offset)
	case errors.Is(err, errSparse):
		return s.damaged(at, err.Error())
	case err != nil:
		return s.failed(s.in.offset, err)
	}
	return nil
}

// readOldMap reads the map of an old GNU sparse member, in its header b and the blocks that follow.
func (s *Scanner) readOldMap(b block) error {
	e, m := &s.entry, &s.sparse
	if string(b[257:265]) != "ustar  \x00" {
		return errSparse // star uses the same type flag with another layout
	}
	var err error
	if e.Size, err = parseNumber(b[483:495]); err != nil {
		return errSparse
	}
	if err := m.addFields(b[386:482]); err != nil {
		return err
	}
	for more := b[482] != 0; more; more = b[504] != 0 {
		if b, err = s.in.block(); err != nil {
			return err
		}
		if err := m.addFields(b[:504]); err != nil {
			return err
		}
	}
	return nil
}

// readPAXMap reads the map that PAX records p contain or refer to, and applies their name and size.
func (s *Scanner) readPAXMap(p *paxSparse) error {
	e, m := &s.entry, &s.sparse
	if len(p.name) > 0 {
		e.Name = p.name
	}
	size := p.size
	if size == "" {
		size = p.realSize
	}
	if size != "" {
		var err error
		if e.Size, err = parseDecimal(size); err != nil {
			return errSparse
		}
	}
	if p.inFront() {
		return s.readMapInFront()
	}
	if err := m.addList(p.list); err != nil {
		return err
	}
	if count, err := parseDecimal(p.blocks); err != nil || count != int64(m.count) {
		return errSparse
	}
	return nil
}

// readMapInFront reads the map in front of the content: the number of extents, then offset and length of each, one
// decimal number per line, padded to a block.
func (s *Scanner) readMapInFront() error {
	var rest block
	count, err := s.readLine(&rest)
	if err != nil {
		return err
	}
	if count > maxExtents {
		return fmt.Errorf("%w: %d extents", errSparse, count)
	}
	for range count {
		off, err := s.readLine(&rest)
		if err != nil {
			return err
		}
		length, err := s.readLine(&rest)
		if err != nil {
			return err
		}
		if err := s.sparse.add(off, length); err != nil {
			return err
		}
	}
	return nil
}

// readLine reads a number from the rest of the last block of the map in front of the content, and reads more blocks if
// needed.
func (s *Scanner) readLine(rest *block) (n int64, err error) {
	for digits := 0; ; digits++ {
		if len(*rest) == 0 {
			if s.entry.Stored < BlockSize {
				return 0, errSparse
			}
			if *rest, err = s.in.block(); err != nil {
				return 0, err
			}
			s.entry.Stored -= BlockSize
		}
		c := (*rest)[0]
		*rest = (*rest)[1:]
		if c == '\n' && digits > 0 {
			return n, nil
		}
		if n, err = appendDigit(n, c); err != nil {
			return 0, errSparse
		}
	}
}
