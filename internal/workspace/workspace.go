// Package workspace provides a directory for each sample of a source, for a command to run in.
//
// There are three kinds. Samples of a shard are in a private mount, served by another process, or, where nothing can be
// mounted, are copied into real directories one by one. Samples of a stream are copied as they arrive, and so are those
// of a remote shard that is packed, or has no index yet. A directory of sample directories is used in place, and changes
// there stay.
//
// A [Workspace] yields a [Task] for each sample. The caller prepares its directory, runs a command in it, reads its
// state, and frees it, so that a run needs disk space only for the samples that are being processed.
package workspace

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/ramdisk"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// Mode selects how the directories of a shard's samples are made.
type Mode uint8

const (
	Auto  Mode = iota // Mount if that is possible, else Copy
	Mount             // in a private mount
	Copy              // by copying each sample before its command
)

// Options configures a workspace. Source.UI and Server.UI must be set.
type Options struct {
	Mode    Mode           // the zero value is Auto
	TempDir string         // for temporary files; "" means os.TempDir, where Open first removes those of killed runs
	Memory  *ramdisk.Disk  // for directories of samples and changes, as far as it has room; nil: there is none
	Source  source.Options // how the source is opened
	Server  server.Command // how the server of a private mount is started; its Args are set here
	Packed  bool           // the samples are packed with all their members
	Some    bool           // not all samples are wanted
	Indexed bool           // the Shard of the Workspace must have a whole index
}

// Mounts reports whether Open will try to mount the source of a name.
func (o *Options) Mounts(n source.Name) bool {
	return n.Kind == source.Shard && (o.Mode == Mount || o.Mode == Auto && server.CanMount())
}

// Workspace has a directory for each sample of a source. Its methods are those of a kind of workspace:
//
//   - Tasks yields the samples in their order. It may be ranged over again, except for a stream.
//   - Finish packs what comes after the last sample. For a directory it packs everything, because a directory is packed
//     as it is when all commands have ended.
//   - Err returns an error if the server of the mount has ended: the commands that have ended by now may have failed
//     because of that.
//   - Close removes what the workspace has made.
type Workspace struct {
	Name    string         // of the source, for messages
	Shard   *shard.Shard   // that the samples are from; nil for a stream or a directory
	Samples int            // number of tasks; 0 if it is not known
	Pid     int            // a child process that is not a command of the run; 0: none
	Cut     error          // wraps source.ErrCut if the source lacks samples; else nil
	Witness source.Witness // of the shard

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
//   - Prepare makes its directory, in its original state, for an attempt (counted from 1), and returns its absolute
//     path. An error that wraps pack.ErrKey is the sample's: its directory has no valid key.
//   - State returns its directory as it is now; false if it is gone. It can be read until Free.
//   - Lacked reports whether its command, which has ended, may have found no room in memory although a disk had some. Leave
//     then discards its directory, and Prepare makes those to come on disk.
//   - Discard removes its directory, which may be broken, after its last attempt has failed.
//   - Free releases its directory. It must be called for every Task, also after Discard.
//
// They are called by one goroutine at a time, but those of several Tasks may be called at the same time.
type Task struct {
	Number int       // in the source, from 0
	Key    string    // of the sample
	Source string    // where the sample comes from, as __source__ says
	Within string    // a beginning of its directory's path, in the rest of which other users may make links; or ""
	Base   pack.Base // the shard that it is packed from
	Before pack.Dir  // its directory before any command

	place
	skip    func()
	between func(*pack.Writer) error
}

// place is the directory of a Task, which documents its methods.
type place interface {
	Prepare(ctx context.Context, attempt int) (string, error)
	State() (pack.Dir, bool, error)
	Lacked(failed bool) bool
	Leave()
	Discard() error
	Free() error
}

// Skip leaves the sample out of what Finish packs for a directory. For other sources it does nothing.
func (t *Task) Skip() {
	if t.skip != nil {
		t.skip()
	}
}

// PackBetween packs the members outside samples that come with a sample of a stream that is not packed itself. For
// other sources it does nothing, because the writer packs them with the next sample.
func (t *Task) PackBetween(w *pack.Writer) error {
	if t.between == nil {
		return nil
	}
	return t.between(w)
}

// Sweep sets TempDir to os.TempDir if it is not set, and removes what killed runs have left there, as Open does.
func (o *Options) Sweep() {
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
		mounts.Sweep(o.TempDir, false, func(err error) { o.Source.UI.Detail("%v", err) })
	}
}

// Open opens a workspace for the samples of a name.
func Open(ctx context.Context, n source.Name, o Options) (*Workspace, error) {
	o.Sweep()
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
	return w, nil
}

// open opens a workspace with a scratch directory. After an error the caller removes that.
func open(ctx context.Context, n source.Name, o Options, dir *scratch.Scratch) (w *Workspace, err error) {
	copies, err := newExtractor(dir.Dir)
	if err != nil {
		return nil, err
	}
	if err := copies.useMemory(o.Memory); err != nil {
		o.Source.UI.Detail("no scratch in memory: %v", err)
	}
	defer func() {
		if err != nil {
			copies.Close()
		}
	}()
	o.Source.Shard.SpoolDir = dir.Dir
	if n.Kind == source.Stream {
		return openStream(ctx, n, o, dir, copies)
	}
	if o.mayGrow(n) {
		if w, err := openGrowing(ctx, n, o, dir, copies); w != nil || err != nil {
			return w, err
		}
	}
	mount := o.Mounts(n) && !o.copies(n)
	if mount {
		if o.Source.Shard.NoIndex { // the server opens the shard too, and should not index it again
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
	if w, err = openShard(ctx, n, o, dir, copies, src, mount); err != nil {
		return nil, errors.Join(err, src.Close())
	}
	w.Name, w.Shard, w.Samples, w.Cut = src.Name, src.Shard, src.Shard.Index.Samples(), src.CutError()
	w.Witness = src.Witness()
	return w, nil
}

// Unchanged returns an error if the shard has been written to since it was opened. It is fast, and not the last word:
// see Witness.
func (w *Workspace) Unchanged(ctx context.Context) error {
	if w.Shard == nil {
		return nil
	}
	if err := w.Shard.Unchanged(ctx); err != nil {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	return nil
}

// openShard opens a workspace for a shard: a mount if that is wanted and possible, else copies.
func openShard(
	ctx context.Context, n source.Name, o Options,
	dir *scratch.Scratch, copies *extractor, src *source.Source, mount bool,
) (*Workspace, error) {
	c := &copied{dir, copies, src}
	if mount {
		m, err := openMounted(ctx, n, o, c)
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
