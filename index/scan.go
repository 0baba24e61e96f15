package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Errors about shards. Every error of a [Scanner] that is not a read error wraps one of them.
var (
	ErrNotTar    = errors.New("not a tar")
	ErrDamaged   = errors.New("damaged shard")
	ErrTruncated = errors.New("truncated shard")
)

// Entry is one member of a tar as its headers describe it. Offsets and sizes are in bytes of the plain shard.
type Entry struct {
	Name    []byte    // valid until the next call of Scanner.Next
	Header  int64     // where its first header starts, including extended headers
	Data    int64     // where its content starts
	Size    int64     // of the content, including holes
	Stored  int64     // size of the content in the tar, without holes
	End     int64     // where the next member's headers start, after padding
	ModTime time.Time // of any year
	Mode    uint16    // permission bits
	Type    byte      // type flag, see archive/tar
	Regular bool      // a regular file, the only type that can be in a sample

	// Sparse has the places in the content of the stored bytes of a member with holes; nil for a member without. It is
	// valid until the next call of Scanner.Next.
	Sparse []Extent
}

// Scanner reads the headers of a tar in order. It requires a whole shard: the content and padding of every member, and
// both blocks that mark the end. A Scanner is not safe for concurrent use.
type Scanner struct {
	in     input
	count  int   // number of entries so far
	entry  Entry // result of the last call of Next
	name   []byte
	sparse sparseMap
	end    int64 // where the end marker starts, once seen

	content func(e *Entry, r io.Reader) // may be nil; see Contents
	zeroes  int                         // blocks of the end marker seen
}

// NewScanner returns a Scanner for a plain tar that starts at r's current position, which counts as offset 0. If r is
// an [io.Seeker], content is skipped and not read.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{in: newInput(r)}
}

// Next returns the next entry, valid until the next call. At the end marker the error is io.EOF; others wrap ErrNotTar,
// ErrDamaged or ErrTruncated, or are read errors. After an error Next must not be called again.
func (s *Scanner) Next() (*Entry, error) {
	header := s.in.offset
	s.in.kept = s.in.kept[:0]
	ext := extended{size: -1}
	for {
		at := s.in.offset
		b, err := s.in.block()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if s.count == 0 && at == 0 {
				return nil, fmt.Errorf("%w: %d bytes hold no header", ErrNotTar, s.in.size())
			}
			return nil, s.truncated(at)
		}
		if err != nil {
			return nil, s.failed(at, err)
		}
		if b.isZero() {
			return nil, s.finish(header)
		}
		if err := b.verify(); err != nil {
			return nil, s.damaged(at, "bad header checksum")
		}
		size, err := parseNumber(b.size())
		if err != nil || size < 0 {
			return nil, s.damaged(at, "bad size")
		}
		switch b.typeflag() {
		case typeExtended, typeExtendedSun, typeGlobal, typeGNULongName, typeGNULongTarget:
			kind := b.typeflag()
			special, err := s.special(at, size)
			if err != nil {
				return nil, err
			}
			switch kind {
			case typeExtended, typeExtendedSun:
				if err := ext.parsePAX(special); err != nil {
					return nil, s.damaged(at, err.Error())
				}
			case typeGNULongName:
				ext.longName = cString(special)
			case typeGlobal:
				s.entry = Entry{
					Header: header, Data: at + BlockSize, Size: size, Stored: size, End: s.in.offset, Type: typeGlobal,
					ModTime: time.Unix(0, 0),
				}
				s.count++
				return &s.entry, nil
			}
			continue
		}
		return s.member(header, at, b, size, ext)
	}
}

// KeepHeaders makes Headers available. It must be called before Next.
func (s *Scanner) KeepHeaders() { s.in.keep = true }

// Headers returns the bytes of the last entry's headers, from Header to Data, valid until the next call of Next. At the
// end marker they are the extended headers that no member follows.
func (s *Scanner) Headers() []byte { return s.in.kept[:len(s.in.kept)-s.zeroes*BlockSize] }

// Contents makes Next call a function with each regular member and the bytes of its content that are stored, before Next
// returns that member. It must be called before Next.
func (s *Scanner) Contents(read func(e *Entry, r io.Reader)) { s.content = read }

// Size returns the size of the shard in bytes, or as far as it has been read.
func (s *Scanner) Size() int64 { return s.in.size() }

// member completes the entry whose last header is the block b at offset at.
func (s *Scanner) member(header, at int64, b block, size int64, ext extended) (*Entry, error) {
	e := &s.entry
	*e = Entry{Header: header, Name: ext.longName}
	if len(e.Name) == 0 {
		e.Name = ext.name
	}
	if len(e.Name) == 0 {
		s.name = b.fullName(s.name[:0])
		e.Name = s.name
	}
	if ext.size >= 0 {
		size = ext.size
	}
	kind := b.typeflag()
	if kind == typeRegularOld && len(e.Name) > 0 && e.Name[len(e.Name)-1] == '/' {
		kind = typeDirectory // how the oldest tars mark a directory
	}
	if kind >= typeHardLink && kind <= typeFIFO {
		size = 0 // these have no content, even if the header has a size
	}
	if mode, err := parseNumber(b.mode()); err == nil { // else none, as if the field were empty
		e.Mode = uint16(mode & 0o7777)
	}
	if e.ModTime = ext.mtime; !ext.hasTime {
		e.ModTime = parseTimeField(b.mtime())
	}
	e.Size, e.Stored, e.Type = size, size, kind
	e.Regular = kind == typeRegular || kind == typeRegularOld || kind == typeContiguous || kind == typeGNUSparse
	if kind == typeGNUSparse || ext.sparse != nil && e.Regular {
		if err := s.readSparse(at, b, ext.sparse); err != nil {
			return nil, err
		}
	}
	e.Data = s.in.offset
	if e.Stored > math.MaxInt64-2*BlockSize-e.Data {
		return nil, s.damaged(at, "bad size")
	}
	e.End = e.Data + (e.Stored+BlockSize-1)/BlockSize*BlockSize
	s.count++
	if s.content != nil && e.Regular {
		s.content(e, &contentReader{&s.in, e.Stored})
	}
	if err := s.in.skip(e.End - s.in.offset); err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%w: member %d %q ends at byte %d, the shard at %d",
			ErrTruncated, s.count-1, e.Name, e.End, s.in.size())
	} else if err != nil {
		return nil, fmt.Errorf("member %d %q: %w", s.count-1, e.Name, err)
	}
	return e, nil
}

// special reads the content of an extended header.
func (s *Scanner) special(at, size int64) ([]byte, error) {
	if size > maxSpecial {
		return nil, s.damaged(at, fmt.Sprintf("an extended header of %d bytes", size))
	}
	content := make([]byte, 0, min(size, 2*BlockSize)) // grows only as bytes are read, because size may be forged
	for int64(len(content)) < size {
		b, err := s.in.block()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, s.truncated(s.in.offset)
		}
		if err != nil {
			return nil, s.failed(s.in.offset, err)
		}
		content = append(content, b[:min(int64(len(b)), size-int64(len(content)))]...)
	}
	return content, nil
}

// finish checks the second block of the end marker, whose first one has just been read.
func (s *Scanner) finish(start int64) error {
	s.end, s.zeroes = start, 1
	at := s.in.offset
	b, err := s.in.block()
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return s.truncated(at)
	case err != nil:
		return s.failed(at, err)
	case !b.isZero():
		return s.damaged(at, "one end block where there should be two")
	}
	s.zeroes = 2
	return io.EOF
}

// End returns the offset of the end marker, once Next has returned io.EOF.
func (s *Scanner) End() int64 {
	return s.end
}

// Rest returns a reader of the bytes after the end marker, once Next has returned io.EOF.
func (s *Scanner) Rest() io.Reader {
	return io.MultiReader(bytes.NewReader(s.in.buf), s.in.r)
}

func (s *Scanner) truncated(at int64) error {
	if s.zeroes == 1 {
		return fmt.Errorf("%w: the second end block is missing after member %d, at byte %d",
			ErrTruncated, s.count-1, at)
	}
	if s.count == 0 {
		return fmt.Errorf("%w: member 0 has no whole header, at byte %d", ErrTruncated, at)
	}
	what := "no end marker"
	if s.in.size() > s.entry.End {
		what = fmt.Sprintf("member %d has no whole header", s.count)
	}
	return fmt.Errorf("%w: %s after member %d %q, which ends at byte %d; the shard ends at %d",
		ErrTruncated, what, s.count-1, s.entry.Name, s.entry.End, s.in.size())
}

// failed adds the place in the tar to a read error.
func (s *Scanner) failed(at int64, err error) error {
	return fmt.Errorf("member %d at byte %d: %w", s.count, at, err)
}

func (s *Scanner) damaged(at int64, why string) error {
	kind := ErrDamaged
	if s.count == 0 && at == 0 {
		kind = ErrNotTar
	}
	return fmt.Errorf("%w: member %d at byte %d: %s", kind, s.count, at, why)
}
