package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// What can be wrong with the samples of a source.
var (
	ErrCut       = errors.New("published without the samples after the cut")
	ErrNoSamples = errors.New("neither a mount of shardfs nor a directory of sample directories")
)

// Options says how names are opened. UI must be set.
type Options struct {
	Shard  shard.Options // for shards; its SpoolDir is also that of streams
	Stdin  *os.File      // what the name Stdin reads
	Stderr *os.File      // standard error of the commands of pipes; nil means /dev/null
	UI     *ui.UI        // for progress and warnings
}

// Source is an opened name. It is not safe for concurrent use, but what its fields point to is.
type Source struct {
	Name    string          // for messages
	Shard   *shard.Shard    // the shard, or that of the mount; nil for other directories and for streams
	Stream  *shard.Stream   // the stream; nil for all else
	Changes *mounts.Changes // what was changed in the mount; nil for all else
	Dirs    pack.Source     // the sample directories of a Dir as they are now; nil for all else

	ui      *ui.UI
	command *pipe.Command // that the stream comes from; nil for all else
	close   io.Closer
	place   string // of a Dir, as the user gave it
	stamp   string // of the mount's changes, before they are packed; "" if some may be missed
}

// Open opens a name. What is read of it later is read until ctx ends.
func Open(ctx context.Context, n Name, o Options) (*Source, error) {
	s := &Source{Name: n.String(), ui: o.UI, place: n.Path}
	var err error
	switch n.Kind {
	case Dir:
		err = s.openDir(ctx, o.Shard.Store, n.Path)
	case Stream:
		err = s.openStream(ctx, n.Text, o)
	default:
		if s.Shard, err = OpenShard(ctx, o.UI, n.Text, o.Shard); err == nil {
			s.close = s.Shard
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Samples yields the samples as they are now, in their order, and with them what is between and after them.
func (s *Source) Samples() iter.Seq2[pack.Sample, error] {
	switch {
	case s.Stream != nil:
		return s.streamed
	case s.Changes != nil:
		return s.changed()
	case s.Dirs != nil:
		return s.inDirs()
	}
	return pack.Shard(s.namedBase())
}

// Base returns the shard as package pack takes it; the zero Base where there is none.
func (s *Source) Base() pack.Base {
	if s.Shard == nil {
		return pack.Base{}
	}
	return BaseOf(s.Shard)
}

// BaseOf returns a shard as package pack takes it.
func BaseOf(sh *shard.Shard) pack.Base {
	b := pack.Base{Index: sh.Index, Plain: sh.Bytes(), Size: sh.Plain()}
	if sh.Cut != "" {
		b.Size = 0 // there is no end to be copied
	}
	return b
}

// namedBase returns Base for errors that name the source.
func (s *Source) namedBase() pack.Base {
	b := s.Base()
	b.Name = s.Name
	return b
}

// CutError returns an error that wraps ErrCut if the source lacks samples because its shard is cut; else nil.
func (s *Source) CutError() error {
	if s.Shard == nil || s.Shard.Cut == "" {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", s.Name, ErrCut, s.Shard.Cut)
}

// MarkPacked notes in a mount that all its changes, as they were when Samples was called, have been packed.
func (s *Source) MarkPacked() error {
	if s.stamp == "" {
		return nil
	}
	return s.Changes.Scratch.MarkPacked(s.stamp)
}

// Pid returns the number of the process that writes the stream; 0 if there is none.
func (s *Source) Pid() int {
	if s.command == nil {
		return 0
	}
	return s.command.Pid()
}

// Close closes the source. A command that writes the stream is killed.
func (s *Source) Close() error {
	if s.command != nil {
		s.command.Abort()
	}
	if s.close == nil {
		return nil
	}
	closer := s.close
	s.close = nil
	return closer.Close()
}
