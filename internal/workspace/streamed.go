package workspace

import (
	"context"
	"errors"
	"iter"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// streamed copies the samples of a stream into real directories as they arrive. Its Tasks can be ranged over once.
type streamed struct {
	dir    *scratch.Scratch
	copies *extractor
	src    *source.Source
	last   *index.Index // index of the last piece of the stream; nil before the first
}

func openStream(
	ctx context.Context, n source.Name, o Options, dir *scratch.Scratch, copies *extractor,
) (*Workspace, error) {
	if o.Mode == Mount {
		return nil, ui.Usagef("%s: a stream cannot be mounted", n)
	}
	src, err := source.Open(ctx, n, o.Source)
	if err != nil {
		return nil, err
	}
	w := &Workspace{Name: src.Name, Pid: src.Pid(), Witness: src.Witness()}
	w.kind = &streamed{dir: dir, copies: copies, src: src}
	return w, nil
}

// Tasks implements kind.
func (s *streamed) Tasks() iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		n := 0
		for x, err := range s.src.Stream.Samples() {
			if err != nil {
				yield(nil, err)
				return
			}
			s.last = x
			if x.Samples() == 0 {
				continue // the members after the last sample
			}
			if !yield(s.task(x, n), nil) {
				return
			}
			n++
		}
	}
}

// base returns the stream with the index of a piece.
func (s *streamed) base(x *index.Index) pack.Base {
	return pack.Base{Index: x, Plain: s.src.Stream, Input: s.src.Input}
}

// task returns the Task for the only sample in an index.
func (s *streamed) task(x *index.Index, number int) *Task {
	sample := x.Sample(0)
	sample.Number = number
	t := &Task{
		Number: number, Key: sample.Key, Source: s.src.Name, Base: s.base(x),
		Before: pack.Dir{Path: sample.Path, Sample: &sample, Untouched: true},
	}
	t.place = &streamedPlace{copiedPlace{copies: s.copies, base: t.Base, source: t.Source, sample: sample}, s}
	t.between = func(w *pack.Writer) error { return w.Rest(t.Base) }
	return t
}

// Finish implements kind.
func (s *streamed) Finish(_ context.Context, w *pack.Writer) error {
	b := s.base(s.last)
	b.Size = s.src.Stream.Size()
	return w.Rest(b)
}

// Err implements kind.
func (*streamed) Err() error { return nil }

// Close implements kind.
func (s *streamed) Close() error { return errors.Join(s.src.Close(), s.copies.Close(), s.dir.Remove()) }

// streamedPlace is the directory of a sample of a stream. Free also frees the sample's bytes in the stream.
type streamedPlace struct {
	copiedPlace
	stream *streamed
}

// Free implements place.
func (p *streamedPlace) Free() error {
	p.stream.src.Stream.Free(p.base.Index.Offset(p.sample.End))
	return p.copiedPlace.Free()
}
