package lint

import (
	"bufio"
	"errors"
	"io"

	"github.com/shardfs/shardfs/index"
)

// Damaged tells that a shard is not whole, behind the entries that were read, and why. If it may be cut, that is no damage.
func (s *Shard) Damaged(err error, mayBeCut bool) {
	code := Damaged
	switch {
	case errors.Is(err, index.ErrTruncated), errors.Is(err, io.ErrUnexpectedEOF):
		if code = Truncated; mayBeCut && s.samples > 0 {
			code = Cut
		}
	case errors.Is(err, index.ErrNotTar):
		code = NotTar
	}
	s.report(code, subject{member: string(s.last), offset: s.lastEnd}, err)
}

// Compressed tells how a shard is compressed, and whether the first header has an extra field, which is for gzip to have.
func (s *Shard) Compressed(format string, extra bool) {
	about := subject{offset: -1}
	if _, ok := oneOf[format]; !ok {
		s.report(Compression, about, format)
		return
	}
	s.report(Compressed, about, format)
	s.reportIf(extra, ExtraField, about)
}

// oneOf has, for the formats that WebDataset reads, what they may have several of, and what becomes of a reader that knows
// of one only.
var oneOf = map[string]struct{ parts, fate string }{
	"gzip":  {"gzip members", "WebDataset reads no further, without an error"},
	"bzip2": {"bzip2 streams", "WebDataset fails there"},
	"xz":    {"xz streams", "WebDataset fails there"},
}

// Decoded tells of a compressed shard that has been read whole where the plain bytes of its first member or stream end, and
// how many bytes follow the last one and belong to none.
func (s *Shard) Decoded(format string, firstEnd, trailing int64) {
	if o, ok := oneOf[format]; ok && firstEnd < s.lastEnd {
		s.report(SeveralMembers, subject{offset: firstEnd}, o.parts, firstEnd, o.fate)
	}
	s.reportIf(trailing > 0, BytesBehind, subject{offset: -1})
}

// readTail looks at what follows the end marker, which lies at a plain offset: zeros that fill a record, or what a reader
// that stops at the marker does not see.
func (s *Shard) readTail(r io.Reader, at int64) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		block, err := in.Peek(index.BlockSize)
		if len(block) == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		if !isZero(block) {
			break
		}
		n, _ := in.Discard(len(block))
		at += int64(n)
	}
	code := SecondTar
	if _, err := index.NewScanner(struct{ io.Reader }{in}).Next(); errors.Is(err, index.ErrNotTar) {
		code = BytesBehind
	}
	s.report(code, subject{offset: at})
	_, err := io.Copy(io.Discard, in) // what is left of compressed bytes proves their checksum
	return err
}

func isZero(block []byte) bool {
	for _, c := range block {
		if c != 0 {
			return false
		}
	}
	return true
}
