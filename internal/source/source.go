package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Errors about the samples of a source.
var (
	ErrCut       = errors.New("published without the samples after the cut")
	ErrNoSamples = errors.New("neither a mount of shardfs nor a directory of sample directories")
	ErrNoFiles   = errors.New("neither a mount of shardfs nor a folder with files of samples")
)

// Options configures how names are opened. UI must be set.
type Options struct {
	Shard  shard.Options // for shards; streams use its SpoolDir too
	Stdin  *os.File      // read for the name Stdin
	Stderr *os.File      // standard error of the commands of pipes; nil means /dev/null
	UI     *ui.UI        // for progress and warnings

	// InStore reports whether the store of a plain shard copies its bytes to the output, so that they need not be here. Nil
	// means that none does.
	InStore func(name string) bool

	// Once lets Open return before a remote shard is indexed, if it can be. Only its samples may then be used, once.
	Once bool

	Folder *folder.Options // for a Dir without sample directories; nil: it has no samples
	Fix    *pack.Fix       // mends a Shard, which nothing else can be then; nil: its samples are as they are
	Input  int             // number of the source among several; see pack.Base
}

// Source is an opened name. It is not safe for concurrent use, but what its fields point to is.
type Source struct {
	Name    string          // for messages
	Shard   *shard.Shard    // the shard, or the shard of the mount; nil for other directories and for streams
	Stream  *shard.Stream   // the stream; else nil
	Changes *mounts.Changes // the changes of the mount; else nil
	Dirs    pack.Source     // the sample directories of a Dir as they are now; else nil
	Folder  *folder.Folder  // the plain folder, if Options.Folder was set; else nil
	Input   int             // number of the source among several

	ctx     context.Context // of Open
	ui      *ui.UI
	stdin   Witness       // of standard input, if the stream is that and it is a file
	command *pipe.Command // the command that writes the stream; else nil
	close   io.Closer
	fix     *pack.Fix
	inStore bool   // its store copies its bytes to the output
	place   string // of a Dir, as the user gave it
	stamp   string // stamp of the mount's changes when Samples began; "" if later writes may not change it
}

// Open opens a name. Reads fail after ctx has ended.
func Open(ctx context.Context, n Name, o Options) (*Source, error) {
	s := &Source{Name: n.String(), Input: o.Input, ctx: ctx, ui: o.UI, fix: o.Fix, place: n.Path}
	if n.Kind != Shard && o.Fix != nil {
		return nil, ui.Usagef("--fix: %s is not a shard in a file", n)
	}
	if n.Kind != Dir && o.Folder != nil && o.Folder.ClassDirs {
		return nil, ui.Usagef("--class-dirs: %s is not a folder", n)
	}
	var err error
	switch n.Kind {
	case Dir:
		err = s.openDir(ctx, o, n.Path)
	case Stream:
		err = s.openStream(ctx, n.Text, o)
	default:
		o.Shard.Growing = o.Shard.Growing || o.Once && o.Fix == nil && n.MayGrow(o.Shard)
		if s.Shard, err = OpenShard(ctx, o.UI, n.Text, o.Shard); err == nil {
			s.close = s.Shard
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Samples yields the samples as they are now, in their order, with the members between and after them.
func (s *Source) Samples() iter.Seq2[pack.Sample, error] {
	switch {
	case s.Stream != nil:
		return s.streamed
	case s.Changes != nil:
		return s.changed()
	case s.Dirs != nil:
		return s.orNone(pack.All(s.namedBase(), s.Dirs), ErrNoSamples)
	case s.Folder != nil:
		return s.orNone(s.Folder.Samples(), ErrNoFiles)
	}
	if s.Shard.Grew() {
		return s.found
	}
	if s.fix != nil {
		return s.fix.Samples(s.namedBase())
	}
	return pack.Shard(s.namedBase())
}

// samples returns how many samples the source's shard has; 0 if there is none, or that is not known yet.
func (s *Source) samples() int {
	if s.Shard == nil || s.Shard.Growing() {
		return 0
	}
	return s.Shard.Index.Samples()
}

// isRemote reports whether the samples are from a remote shard.
func (s *Source) isRemote() bool { return s.Shard != nil && store.IsRemote(s.Shard.Path()) }

// Base returns the shard as a pack.Base; without an Index if the source has no shard.
func (s *Source) Base() pack.Base {
	if s.Shard == nil {
		return pack.Base{Input: s.Input}
	}
	b := BaseOf(s.Shard)
	b.Input, b.InStore = s.Input, s.inStore
	return b
}

// BaseOf returns a shard as a pack.Base.
func BaseOf(sh *shard.Shard) pack.Base {
	b := pack.Base{Index: sh.Index, Plain: sh.Bytes(), Size: sh.Plain()}
	if sh.Cut != "" {
		b.Size = 0 // the shard has no end to copy
	}
	return b
}

// namedBase returns Base with the name of the source, for errors.
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

// markPacked records in a mount that all changes made before Samples have been packed.
func (s *Source) markPacked() error {
	if s.stamp == "" {
		return nil
	}
	return s.Changes.Scratch.MarkPacked(s.stamp)
}

// Witness returns a witness of the file that is read; for a pipe it has nothing to compare.
func (s *Source) Witness() Witness {
	if s.Shard == nil {
		return s.stdin
	}
	return Witness{s.Shard.Name, s.Shard.Witness()}
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
