package source

import (
	"context"
	"io"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/pack"
)

// openStream opens standard input or the output of a command.
func (s *Source) openStream(ctx context.Context, name string, o Options) (err error) {
	var in io.Reader
	if name == Stdin {
		in = pipe.NewReader(ctx, o.Stdin)
		s.stdin = Witness{Stdin, shard.WitnessOfFile(ctx, o.Stdin)}
	} else {
		if s.command, err = pipe.OpenReader(ctx, name, o.Stderr); err != nil {
			return err
		}
		in = s.command
	}
	if s.Stream, err = shard.NewStream(in, s.Name, o.Shard.SpoolDir); err != nil {
		return err
	}
	s.Stream.Second = func(at int64) { warnSecond(s.ui, s.Name, at, s.Stream.Format) }
	s.close = s.Stream
	return nil
}

// streamed yields the samples of a stream. Each has its own Base, which ends before the next sample.
func (s *Source) streamed(yield func(pack.Sample, error) bool) {
	var b pack.Base
	for x, err := range s.Stream.Samples() {
		if err != nil {
			yield(pack.Sample{}, err)
			return
		}
		if b.Index != nil {
			end := pack.End(b)
			end.Free = func() error {
				s.Stream.Free(end.Base.Index.End())
				return nil
			}
			if !yield(end, nil) {
				return
			}
		}
		b = pack.Base{Name: s.Name, Index: x, Plain: s.Stream, Input: s.Input}
		if x.Samples() > 0 && !yield(pack.Whole(b, x.Sample(0)), nil) {
			return
		}
	}
	b.Size = s.Stream.Size() // known only now
	yield(pack.End(b), nil)
}

// OpenScan opens a shard, or standard input, to read it once, from its first to its last byte, even if it is damaged. It
// calls o.Shard.Progress as it reads.
func OpenScan(ctx context.Context, name string, o Options) (*shard.Scan, error) {
	if name == Stdin {
		in := pipe.NewReader(ctx, o.Stdin)
		if o.Shard.Progress != nil {
			in = &shownReader{in, o.Shard.Progress, 0}
		}
		return shard.NewScan(in)
	}
	s, err := shard.OpenScan(ctx, o.Shard.Store, name, o.Shard.Progress)
	return s, notDir(name, err)
}

// shownReader reports how much was read.
type shownReader struct {
	io.Reader
	progress func(read, size int64)
	read     int64
}

// Read implements [io.Reader].
func (r *shownReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.read += int64(n)
	r.progress(r.read, 0)
	return n, err
}
