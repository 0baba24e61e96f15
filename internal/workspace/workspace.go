// Package workspace provides a directory for each sample of a source, for a command to run in.
//
// There are three kinds. Samples of a shard are in a private mount of it, served by a process of its own, or, where
// nothing can be mounted, are copied into real directories one by one; so are those of a stream, as they arrive. A
// directory of sample directories is used in place, and what commands do there stays.
//
// A [Workspace] yields a [Task] for each sample. Its user has the directory prepared, runs a command in it, asks what
// became of it, and frees it, so that a run needs no more disk space than the samples that are worked on.
package workspace

import (
	"context"
	"errors"
	"iter"
	"os"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// Mode says how the directories of a shard's samples come about.
type Mode uint8

const (
	Auto  Mode = iota // Mount where that is possible, else Copy
	Mount             // in a private mount
	Copy              // by copying each sample before its command
)

// Options says how a workspace is made. Source.UI and Server.UI must be set.
type Options struct {
	Mode    Mode           // the zero value is Auto
	TempDir string         // for temporary files; "" means os.TempDir, which is swept of what killed runs have left
	Source  source.Options // how the source is opened
	Server  server.Command // how the server of a private mount is started; its Args are set here
}

// Mounts reports whether the samples of a name will be in a private mount, if that can be made.
func (o *Options) Mounts(n source.Name) bool {
	return n.Kind == source.Shard && (o.Mode == Mount || o.Mode == Auto && server.CanMount())
}

// Workspace has a directory for each sample of a source. Its methods are those of a kind of workspace:
//
//   - Tasks yields the samples in their order. It may be ranged over again, except of a stream.
//   - Finish packs what comes after the last sample. Of a directory, which is packed as it is when all commands have
//     ended, it packs everything.
//   - Err returns why the commands that have ended by now may have seen errors that were not their own: the server of
//     the mount has ended.
//   - Close removes what the workspace has made.
type Workspace struct {
	Name    string       // of the source, for messages
	Dir     string       // for temporary files
	Shard   *shard.Shard // that the samples are from; nil for a stream or a directory
	Samples int          // how many tasks there are; 0 if that is not known yet
	Pid     int          // of a child process of this one that runs no command; 0: there is none
	Cut     error        // wraps source.ErrCut if the source lacks samples; else nil

	kind
}

// kind is a kind of workspace; see Workspace.
type kind interface {
	Tasks() iter.Seq2[*Task, error]
	Finish(ctx context.Context, w *pack.Writer) error
	Err() error
	Close() error
}

// Task is one sample. Its methods are those of its place in the workspace:
//
//   - Prepare makes its directory as it was in the beginning, for an attempt from 1 on, and returns its absolute path.
//   - State returns its directory as it is now; false if it is gone. It can be read until Free.
//   - Discard removes its directory, which may be broken, after its last attempt has failed.
//   - Free says that its directory is not needed any more. It is called for every Task, also after Discard.
//
// They are called by one goroutine at a time, but those of several Tasks may be called at the same time.
type Task struct {
	Number int       // in the source, from 0
	Key    string    // of the sample
	Source string    // where the sample comes from, as __source__ says
	Base   pack.Base // the shard that it is packed from
	Before pack.Dir  // its directory before any command

	place
	skip    func()
	between func(*pack.Writer) error
}

// place is the directory of a Task; see there.
type place interface {
	Prepare(ctx context.Context, attempt int) (string, error)
	State() (pack.Dir, bool, error)
	Discard() error
	Free() error
}

// Skip says that the sample is not to be in the output. Only the Finish of a directory needs to know.
func (t *Task) Skip() {
	if t.skip != nil {
		t.skip()
	}
}

// PackBetween packs the members outside samples that come with a sample which is not packed itself. Where the writer
// knows of them by the next sample, it does nothing.
func (t *Task) PackBetween(w *pack.Writer) error {
	if t.between == nil {
		return nil
	}
	return t.between(w)
}

// Open opens a workspace for the samples of a name.
func Open(ctx context.Context, n source.Name, o Options) (*Workspace, error) {
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
		mounts.Sweep(o.TempDir, false, func(err error) { o.Source.UI.Detail("%v", err) })
	}
	if n.Kind == source.Dir {
		return openInPlace(ctx, n, o)
	}
	dir, err := scratch.CreateTemp(o.TempDir)
	if err != nil {
		return nil, err
	}
	w, err := open(ctx, n, o, dir)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	w.Dir = dir.Dir
	return w, nil
}

// open opens a workspace with a scratch directory. After an error the caller removes that.
func open(ctx context.Context, n source.Name, o Options, dir *scratch.Scratch) (*Workspace, error) {
	copies, err := newExtractor(dir.Dir)
	if err != nil {
		return nil, err
	}
	o.Source.Shard.SpoolDir = dir.Dir
	if n.Kind == source.Stream {
		return openStream(ctx, n, o, dir, copies)
	}
	mount := o.Mounts(n)
	if mount {
		if o.Source.Shard.NoIndex { // the server opens the shard too, and need not index it again
			o.Source.Shard.NoIndex, o.Source.Shard.CacheDir = false, ""
		}
		if o.Source.Shard, err = dir.UseIndex(o.Source.Shard); err != nil {
			return nil, err
		}
	}
	src, err := source.Open(ctx, n, o.Source)
	if err != nil {
		return nil, err
	}
	w, err := openShard(ctx, n, o, dir, copies, src, mount)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	w.Name, w.Shard, w.Samples, w.Cut = src.Name, src.Shard, src.Shard.Index.Samples(), src.CutError()
	return w, nil
}

// openShard opens a workspace for a shard: a mount if that is wanted and possible, else copies.
func openShard(
	ctx context.Context, n source.Name, o Options, dir *scratch.Scratch, copies *extractor, src *source.Source, mount bool,
) (*Workspace, error) {
	c := &copied{dir, copies, src}
	if mount {
		m, err := openMounted(ctx, n, o, c)
		if dropErr := server.DropPrivileges(); dropErr != nil {
			if err == nil {
				dropErr = errors.Join(dropErr, m.stop())
			}
			return nil, dropErr
		}
		if err == nil {
			o.Source.UI.Detail("samples in a private mount at %s", m.mountpoint)
			return &Workspace{Pid: m.server.Pid(), kind: m}, nil
		}
		if o.Mode == Mount || ctx.Err() != nil {
			return nil, err
		}
		o.Source.UI.Warn("no mount, so samples are copied: %v", err)
	}
	o.Source.UI.Detail("samples are copied to %s", dir.Dir)
	return &Workspace{kind: c}, nil
}
