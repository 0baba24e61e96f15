package lint

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Damaged reports that reading a shard failed with err after the entries so far. If mayBeCut is set, a cut after a
// whole sample is only a warning.
func (s *Shard) Damaged(err error, mayBeCut bool) {
	code, variant := Damaged, s.damage(err)
	switch {
	case errors.Is(err, index.ErrTruncated), errors.Is(err, io.ErrUnexpectedEOF):
		if code, variant = Truncated, s.cut(err); mayBeCut && s.samples > 0 {
			code, variant = Cut, ""
		}
	case errors.Is(err, index.ErrNotTar):
		if code, variant = NotTar, ""; s.scanner.Size() == 0 {
			variant = "no bytes"
		}
	}
	s.reportCase(code, variant, subject{member: string(s.last), offset: s.lastEnd}, err)
}

// damage returns what is damaged.
func (s *Shard) damage(err error) string {
	if s.entries == 0 {
		return "first"
	}
	if !errors.Is(err, index.ErrDamaged) {
		return "content"
	}
	b := s.scanner.Headers()
	switch {
	case s.scanner.End() > 0:
		return "end"
	case len(b) > index.BlockSize && bytes.Contains(b,
		[]byte(" path=")) && bytes.ContainsRune(b[index.BlockSize:], 0) &&
		bytes.IndexByte(b[index.BlockSize:], 0) < bytes.IndexByte(b[index.BlockSize:], '\n'):
		return "name"
	case len(b) > index.BlockSize:
		return "extended header"
	}
	return "header"
}

// cut returns where a shard is cut.
func (s *Shard) cut(err error) string {
	switch {
	case s.format != "":
		return "compressed"
	case s.scanner.End() > 0 || s.scanner.Size() == s.lastEnd && !s.c.fields.differs(s):
		return "end"
	case s.scanner.Size() == s.lastEnd:
		return "sample"
	case len(s.scanner.Headers()) == 0:
		return "header"
	}
	return "content"
}

// Compressed says how a shard is compressed, whether the first header of a gzip shard has an extra field, and whether the
// first stream is empty. It is reported once all was read.
func (s *Shard) Compressed(format string, extra, empty bool) {
	s.format, s.extra, s.empty = format, extra, empty
}

// parts has, for the formats that Python reads, the name of the parts that a file can have several of.
var parts = map[string]string{"gzip": "gzip members", "bzip2": "bzip2 streams", "xz": "xz streams"}

// Decoded reports problems of a compressed shard after all of it was read. firstEnd is the plain offset where its first
// member or stream ends, trailing how many bytes follow the last one.
func (s *Shard) Decoded(firstEnd, trailing int64) {
	format, about := s.format, subject{offset: -1}
	if _, ok := parts[format]; ok && strings.HasSuffix(s.c.shards[s.number], ".tar") {
		s.reportCase(Compressed, format+", named .tar", about, format)
	} else if ok {
		s.reportCase(Compressed, format, about, format)
	} else {
		s.reportCase(Compression, format, about, format)
	}
	s.reportIf(s.extra, ExtraField, about)
	if name, ok := parts[format]; ok && (s.empty || firstEnd == 0 && s.lastEnd > 0) {
		s.reportCase(EmptyStream, format, subject{}, name)
	} else if ok && firstEnd < s.lastEnd {
		s.reportCase(SeveralMembers, format, subject{offset: firstEnd}, name, firstEnd)
	}
	s.reportIf(trailing > 0, BytesAfterEnd, about)
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
