package lint

import (
	"errors"
	"io"

	"github.com/shardfs/shardfs/index"
)

// Damaged reports that reading a shard failed with err after the entries so far. If mayBeCut is set, a cut after a
// whole sample is only a warning.
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

// Compressed reports how a shard is compressed, and whether the first header of a gzip shard has an extra field.
func (s *Shard) Compressed(format string, extra bool) {
	about := subject{offset: -1}
	if _, ok := singleStreamReaders[format]; !ok {
		s.report(Compression, about, format)
		return
	}
	s.report(Compressed, about, format)
	s.reportIf(extra, ExtraField, about)
}

// singleStreamReaders has, for the formats that WebDataset reads, the name of the parts that a file can have several
// of, and what WebDataset does after the first part.
var singleStreamReaders = map[string]struct{ parts, fate string }{
	"gzip":  {"gzip members", "WebDataset reads no further, without an error"},
	"bzip2": {"bzip2 streams", "WebDataset fails there"},
	"xz":    {"xz streams", "WebDataset fails there"},
}

// Decoded reports problems of a compressed shard after all of it was read. firstEnd is the plain offset where its first
// member or stream ends, trailing how many bytes follow the last one.
func (s *Shard) Decoded(format string, firstEnd, trailing int64) {
	if r, ok := singleStreamReaders[format]; ok && firstEnd < s.lastEnd {
		s.report(SeveralMembers, subject{offset: firstEnd}, r.parts, firstEnd, r.fate)
	}
	s.reportIf(trailing > 0, BytesAfterEnd, subject{offset: -1})
}

// readTail checks the bytes after the end marker, which are at the plain offset at: zeros that fill a record, or data
// that most readers ignore.
func (s *Shard) readTail(r io.Reader, at int64) error {
	tail, err := index.ReadTail(r, at)
	switch {
	case err != nil:
		return err
	case tail.Tar:
		s.report(SecondTar, subject{offset: tail.Offset})
	case tail.Offset > 0:
		s.report(BytesAfterEnd, subject{offset: tail.Offset})
	}
	_, err = io.Copy(io.Discard, r) // reading to the end verifies the checksum of compressed bytes
	return err
}
