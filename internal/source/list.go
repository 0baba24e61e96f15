package source

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/pack"
)

// List is a list of names whose samples are read one after the other. A name is opened when its turn comes.
type List struct {
	Buffered bool // samples are written some time after they are yielded, in any order
	Partial  bool // some members or samples are left out, so mounts are not marked as packed

	names   []Name
	o       Options
	sources []*Source // opened so far
	total   *Total
	read    []Witness // of the same sources
}

// NewList returns a list of names.
func NewList(names []Name, o Options) *List { return &List{names: names, o: o, total: NewTotal(names)} }

// Single reports whether the list has a single source, whose end may be copied as the end of the output.
func (l *List) Single() bool { return len(l.names) == 1 && !l.Buffered }

// HasFolders reports whether samples come from directories of files.
func (l *List) HasFolders() bool {
	return l.o.Folder != nil && slices.ContainsFunc(l.names, func(n Name) bool { return n.Kind == Dir })
}

// Samples yields the samples of all sources. A source is closed when all its samples are freed, unless its end may
// still be copied.
func (l *List) Samples(ctx context.Context) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		o := l.o
		for i, n := range l.names {
			o.Input, o.Once = i, !l.Buffered && !l.inStore(n)
			s, err := Open(ctx, n, o)
			if err != nil {
				yield(pack.Sample{}, err)
				return
			}
			l.sources = append(l.sources, s)
			l.total.Opened(i, s.samples())
			l.read = append(l.read, s.Witness())
			s.inStore = l.inStore(n) && s.Shard.Format == codec.Plain
			if !l.yield(s, yield) {
				return
			}
		}
	}
}

// inStore reports whether the bytes of a source are copied by its store, if it is plain.
func (l *List) inStore(n Name) bool {
	return n.Kind == Shard && l.o.InStore != nil && l.o.InStore(n.Text)
}

// yield yields the samples of one source, and reports whether to continue with the next one.
func (l *List) yield(s *Source, yield func(pack.Sample, error) bool) bool {
	users := 1
	release := func() error {
		if users--; users > 0 {
			return nil
		}
		return s.Close()
	}
	for sample, err := range s.Samples() {
		switch {
		case err != nil:
		case l.Buffered:
			users++
			sample.Free = release
		case s.isRemote() && !s.inStore:
			sample.Free = copied
		}
		if !yield(sample, err) || err != nil {
			return false
		}
	}
	return l.Single() || yield(pack.Sample{Free: release}, nil)
}

// copied is the Free of samples whose bytes are copied at once, and not together with those of the next ones, because what
// is fetched is not kept for long.
func copied() error { return nil }

// MarkPacked records in mounts that their changes have been packed. Its error wraps ErrCut for each source that is cut.
func (l *List) MarkPacked() error {
	var errs []error
	for _, s := range l.sources {
		err := s.CutError()
		if !l.Partial {
			if markErr := s.markPacked(); markErr != nil {
				err = markErr
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Confirm returns an error if a shard that was read has changed since it was opened.
func (l *List) Confirm(ctx context.Context) error { return Confirm(ctx, l.read) }

// Close closes the sources that are open.
func (l *List) Close() {
	for _, s := range l.sources {
		s.Close()
	}
}
