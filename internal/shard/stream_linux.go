package shard

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/codec"
)

// Stream is a shard that can be read only once, from beginning to end. Its plain bytes pass through a spool file, where
// they can be read until they are freed, so a stream needs disk space only for the samples in use.
type Stream struct {
	name  string
	in    io.Reader // plain bytes; what is read is also written to the spool
	spool *os.File
	size  atomic.Int64 // bytes spooled
	freed int64

	Format codec.Format
	Second func(at int64) // called if another tar begins at a plain offset after the end marker; may be nil
}

// NewStream returns a stream that reads from r. Its spool is an unnamed file in dir.
func NewStream(r io.Reader, name, dir string) (*Stream, error) {
	s := &Stream{name: name}
	scan, err := NewScan(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if scan.empty {
		return nil, fmt.Errorf("%s: %w: it is empty", name, index.ErrNotTar)
	}
	if s.spool, err = atomicfile.Unnamed(dir); err != nil {
		return nil, err
	}
	s.Format = scan.Format
	s.in = io.TeeReader(scan.Plain, spoolWriter{s})
	return s, nil
}

// spoolWriter appends to a stream's spool.
type spoolWriter struct{ s *Stream }

func (w spoolWriter) Write(p []byte) (int, error) {
	n, err := w.s.spool.WriteAt(p, w.s.size.Load())
	w.s.size.Add(int64(n))
	return n, err
}

// Samples yields the stream in pieces. Each is an index of one sample and the members outside samples around it; the
// last piece may have no sample. Offsets count from the beginning of the stream. An error ends the sequence.
func (s *Stream) Samples() iter.Seq2[*index.Index, error] {
	return func(yield func(*index.Index, error) bool) {
		scanner := index.NewScanner(s.in)
		var b index.Builder
		key, open := "", false
		for {
			e, err := scanner.Next()
			if err == io.EOF {
				break
			}
			if errors.Is(err, index.ErrNotTar) {
				head := make([]byte, index.BlockSize)
				n, _ := s.spool.ReadAt(head, 0)
				err = explain(s.Format, head[:n], err)
			}
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", s.name, asTruncated(err)))
				return
			}
			if k, _, ok := index.MemberKey(string(e.Name)); ok && e.Regular {
				if open && k != key {
					if !yield(b.Finish(e.Header), nil) {
						return
					}
					b = index.Builder{}
				}
				key, open = k, true
			}
			if err := b.Add(e); err != nil {
				yield(nil, fmt.Errorf("%s: %w", s.name, err))
				return
			}
		}
		// The bytes after the end marker belong to the stream, and only reading them verifies the checksum.
		tail, err := index.ReadTail(scanner.Rest(), scanner.End()+2*index.BlockSize)
		if err == nil {
			_, err = io.Copy(io.Discard, s.in)
		}
		if tail.Tar && s.Second != nil {
			s.Second(tail.Offset)
		}
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", s.name, asTruncated(err)))
			return
		}
		yield(b.Finish(scanner.End()), nil)
	}
}

// ReadAt reads plain bytes that have been yielded and not freed.
func (s *Stream) ReadAt(p []byte, off int64) (int, error) { return s.spool.ReadAt(p, off) }

// Size returns how many plain bytes have been read so far.
func (s *Stream) Size() int64 { return s.size.Load() }

// freeStep is how many bytes are freed at a time, because each time costs a system call.
const freeStep = 1 << 20

// Free releases the plain bytes before an offset. On a file system without hole punching their space is released at
// Close.
func (s *Stream) Free(before int64) {
	if before-s.freed < freeStep {
		return
	}
	before &^= freeStep - 1
	unix.Fallocate(int(s.spool.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, s.freed, before-s.freed)
	s.freed = before
}

// Close removes the spool.
func (s *Stream) Close() error { return s.spool.Close() }
