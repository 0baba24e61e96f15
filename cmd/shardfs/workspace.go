package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	ws "github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// workspace gives each sample a directory to run a command in, and tells afterwards what has become of it.
type workspace interface {
	name() string                             // of the shard, as the user gave it
	dir() string                              // for temporary files
	tasks() iter.Seq2[*task, error]           // in the order of the samples
	rest(context.Context, *pack.Writer) error // packs what comes behind the last sample
	cut() string                              // why there are not all samples; "" where there are
	shard() *shard.Shard                      // that the samples are of; nil for a stream or a directory
	samples() int                             // how many tasks there are; 0 where nobody knows yet
	serves(pid int) bool                      // whether that child of this process is none of a command
	broken() error                            // why commands that have ended by now may have failed to change their samples
	close() error                             // removes what the run has left
}

// task is one sample in a workspace.
type task struct {
	number  int
	key     string
	source  string
	base    pack.Base
	before  pack.Dir                       // its directory as it was
	now     func() (pack.Dir, bool, error) // its directory as it is; false where it is gone
	free    func() error                   // its directory is not needed any more
	discard func() error                   // its directory, which may be broken, shall go now; free is called all the same
	skipped func()                         // told that it shall not be in the output; may be nil
	others  func(*pack.Writer) error       // packs what lies around it if it is not packed itself; may be nil

	// prepare makes its directory for an attempt, from 1 on, as it was in the beginning, and returns where that is.
	prepare func(ctx context.Context, attempt int) (string, error)
}

func (t *task) dropped() {
	if t.skipped != nil {
		t.skipped()
	}
}

// openWorkspace opens the workspace for what a name means.
func openWorkspace(ctx context.Context, u *ui.UI, name string, o *runOptions) (workspace, error) {
	temp := o.scratch
	if temp == "" {
		mounts.Sweep(os.TempDir(), false, func(err error) { u.Detail("%v", err) })
		temp = os.TempDir()
	}
	stream := name == "-" || pipe.Is(name)
	if !stream && isDir(name) {
		return openTreeSpace(ctx, name, temp, o)
	}
	scratch, err := scratch.CreateTemp(temp)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (workspace, error) { return nil, errors.Join(err, scratch.Remove()) }
	layout, err := ws.NewExtractor(scratch.Dir)
	if err != nil {
		return fail(err)
	}
	if stream {
		s := &streamSpace{scratch: scratch, layout: layout}
		if err := s.open(ctx, name, o); err != nil {
			return nil, errors.Join(err, s.close())
		}
		return s, nil
	}
	fuse := o.wantsMount(name)
	opened := o.from.options()
	opened.SpoolDir = scratch.Dir
	if fuse {
		if opened.NoIndex { // the server gets ours all the same
			opened.NoIndex, opened.CacheDir = false, ""
		}
		if opened, err = scratch.UseIndex(opened); err != nil {
			return fail(err)
		}
	}
	sh, err := source.OpenShard(ctx, u, name, opened)
	if err != nil {
		return fail(err)
	}
	if fuse {
		m, err := openMountSpace(ctx, scratch, layout, sh, name, opened)
		if dropErr := server.DropPrivileges(); dropErr != nil {
			return fail(errors.Join(dropErr, sh.Close()))
		}
		if err == nil {
			u.Detail("samples in a private mount at %s", m.mountpoint)
			return m, nil
		}
		if o.workspace == "fuse" || ctx.Err() != nil {
			return fail(errors.Join(err, sh.Close()))
		}
		u.Warn("no mount, so samples are copied: %v", err)
	}
	u.Detail("samples are copied to %s", scratch.Dir)
	return &layoutSpace{scratch, layout, sh}, nil
}

// wantsMount reports whether the samples of what a name means shall lie in a mount of the run's own.
func (o *runOptions) wantsMount(name string) bool {
	if name == "-" || pipe.Is(name) || isDir(name) {
		return false
	}
	return o.workspace == "fuse" || o.workspace == "auto" && server.CanMount()
}

// isDir reports whether a name is that of a directory.
func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// shardTasks yields a task for each sample of a shard, with what can be told from the index.
func shardTasks(sh *shard.Shard, complete func(*task, index.Sample)) iter.Seq2[*task, error] {
	return func(yield func(*task, error) bool) {
		base := baseOf(sh)
		for n := range sh.Index.Samples() {
			s := sh.Index.Sample(n)
			t := &task{
				number: n, key: s.Key, source: sh.Name, base: base,
				before: pack.Dir{Path: s.Path, Sample: &s, Untouched: true},
			}
			complete(t, s)
			if !yield(t, nil) {
				return
			}
		}
	}
}

// mountSpace is a private mount of a shard, served by a process of its own.
type mountSpace struct {
	scratch    *scratch.Scratch
	sh         *shard.Shard
	over       *overlay.Overlay
	server     *server.Process
	mountpoint string
	mounted    *os.Root      // of a mount of the kernel's overlayfs; nil for another
	layout     *ws.Extractor // for further attempts: a mount does not show again what was changed in it
}

func openMountSpace(ctx context.Context, outer *scratch.Scratch, layout *ws.Extractor, sh *shard.Shard, name string, o shard.Options) (*mountSpace, error) {
	m := &mountSpace{scratch: outer, layout: layout, sh: sh, mountpoint: filepath.Join(outer.Dir, "mnt")}
	if err := os.Mkdir(m.mountpoint, 0o700); err != nil {
		return nil, err
	}
	inner := filepath.Join(outer.Dir, "scratch")
	served := server.Options{Names: []string{name}, Mountpoint: m.mountpoint, Scratch: inner}
	served.SetShardOptions(o)
	c := serverCommand(&ui.UI{Quiet: true}, "mount", name, m.mountpoint)
	var err error
	if m.server, err = server.StartPrivate(ctx, c, served); err != nil {
		return nil, err
	}
	changes, err := scratch.Open(inner)
	if err == nil {
		m.over, err = overlay.New(changes, sh)
	}
	if err == nil {
		var at mounts.Mount
		if at, _, err = mounts.At(m.mountpoint); err == nil && at.Type != fusefs.Type {
			m.mounted, err = os.OpenRoot(m.mountpoint)
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.server.Stop())
	}
	return m, nil
}

func (m *mountSpace) name() string        { return m.sh.Name }
func (m *mountSpace) dir() string         { return m.scratch.Dir }
func (m *mountSpace) cut() string         { return m.sh.Cut }
func (m *mountSpace) shard() *shard.Shard { return m.sh }
func (m *mountSpace) samples() int        { return m.sh.Index.Samples() }
func (m *mountSpace) serves(pid int) bool { return pid == m.server.Pid() }

// broken tells of a server that is gone. A command need not have noticed.
func (m *mountSpace) broken() error {
	if err := m.server.Err(); err != nil {
		return fmt.Errorf("%s: %w", m.sh.Name, err)
	}
	return nil
}

func (m *mountSpace) tasks() iter.Seq2[*task, error] {
	return shardTasks(m.sh, func(t *task, s index.Sample) {
		t.layOut(m.layout, m.sh.Index, m.sh.Bytes(), s)
		again, laid, freeLaid := t.prepare, t.now, t.free
		t.prepare = func(ctx context.Context, attempt int) (string, error) {
			if attempt == 1 {
				return filepath.Join(m.mountpoint, s.Path), nil
			}
			t.now = laid
			return again(ctx, attempt)
		}
		t.now = func() (pack.Dir, bool, error) { return m.over.SampleDir(s.Number) }
		t.free = func() error { return errors.Join(freeLaid(), m.over.Free(s.Number, m.mounted)) }
		t.discard = t.free
	})
}

func (m *mountSpace) rest(_ context.Context, w *pack.Writer) error { return w.Rest(baseOf(m.sh)) }

func (m *mountSpace) close() error {
	died := m.broken() != nil // that was told, or came too late to do harm
	if m.mounted != nil {
		m.mounted.Close()
	}
	err := m.server.Stop()
	if died {
		err = mounts.DetachIn(m.scratch.Dir)
	}
	return errors.Join(err, m.over.Close(), m.sh.Close(), m.scratch.Remove())
}

// layoutSpace copies the samples of a shard to real directories.
type layoutSpace struct {
	scratch *scratch.Scratch
	layout  *ws.Extractor
	sh      *shard.Shard
}

func (l *layoutSpace) name() string        { return l.sh.Name }
func (l *layoutSpace) dir() string         { return l.scratch.Dir }
func (l *layoutSpace) cut() string         { return l.sh.Cut }
func (l *layoutSpace) shard() *shard.Shard { return l.sh }
func (l *layoutSpace) samples() int        { return l.sh.Index.Samples() }
func (*layoutSpace) serves(int) bool       { return false }
func (*layoutSpace) broken() error         { return nil }

func (l *layoutSpace) tasks() iter.Seq2[*task, error] {
	return shardTasks(l.sh, func(t *task, s index.Sample) {
		t.layOut(l.layout, l.sh.Index, l.sh, s)
	})
}

// layOut gives a task a directory of its own.
func (t *task) layOut(layout *ws.Extractor, x *index.Index, plain io.ReaderAt, s index.Sample) {
	var laid *ws.SampleDir
	remove := func() error {
		if laid == nil {
			return nil
		}
		gone := laid
		laid = nil
		return gone.Remove()
	}
	t.prepare = func(context.Context, int) (dir string, err error) {
		if err := remove(); err != nil { // of the attempt before
			return "", err
		}
		if laid, err = layout.Extract(x, plain, t.source, s); err != nil {
			return "", err
		}
		return laid.Dir, nil
	}
	t.now = func() (pack.Dir, bool, error) { return laid.Read() }
	t.free, t.discard = remove, remove
}

func (l *layoutSpace) rest(_ context.Context, w *pack.Writer) error { return w.Rest(baseOf(l.sh)) }

func (l *layoutSpace) close() error { return errors.Join(l.sh.Close(), l.scratch.Remove()) }

// streamSpace copies the samples of standard input to real directories as they arrive.
type streamSpace struct {
	scratch *scratch.Scratch
	layout  *ws.Extractor
	pipe    *pipe.Command // that the stream comes from; nil: standard input
	stream  *shard.Stream
	last    *index.Index // of the last piece; nil before the first
}

func (s *streamSpace) open(ctx context.Context, name string, o *runOptions) error {
	if o.workspace == "fuse" {
		return ui.Usagef("--workspace fuse: %s cannot be mounted", pipe.Shown(name))
	}
	in, err := openStream(ctx, name, &s.pipe)
	if err == nil {
		s.stream, err = shard.NewStream(in, pipe.Shown(name), s.scratch.Dir)
	}
	return err
}

// openStream opens standard input or, noting it, a pipe.
func openStream(ctx context.Context, name string, p **pipe.Command) (in io.Reader, err error) {
	if !pipe.Is(name) {
		return pipe.NewReader(ctx, os.Stdin), nil
	}
	*p, err = pipe.OpenReader(ctx, name, os.Stderr)
	return *p, err
}

func (s *streamSpace) name() string        { return s.stream.Name }
func (s *streamSpace) dir() string         { return s.scratch.Dir }
func (s *streamSpace) cut() string         { return "" }
func (s *streamSpace) shard() *shard.Shard { return nil }
func (s *streamSpace) samples() int        { return 0 }
func (s *streamSpace) serves(pid int) bool { return s.pipe.Owns(pid) }
func (*streamSpace) broken() error         { return nil }

func (s *streamSpace) tasks() iter.Seq2[*task, error] {
	return func(yield func(*task, error) bool) {
		n := 0
		for x, err := range s.stream.Samples() {
			if err != nil {
				yield(nil, err)
				return
			}
			s.last = x
			if x.Samples() == 0 {
				continue // the members behind the last sample
			}
			sample := x.Sample(0)
			sample.Number = n
			t := &task{
				number: n, key: sample.Key, source: s.stream.Name, base: pack.Base{Index: x, Plain: s.stream},
				before: pack.Dir{Path: sample.Path, Sample: &sample, Untouched: true},
			}
			t.layOut(s.layout, x, s.stream, sample)
			remove := t.free
			t.free = func() error {
				s.stream.Free(x.Offset(sample.End))
				return remove()
			}
			t.others = func(w *pack.Writer) error { return w.Rest(t.base) }
			if !yield(t, nil) {
				return
			}
			n++
		}
	}
}

func (s *streamSpace) rest(_ context.Context, w *pack.Writer) error {
	return w.Rest(pack.Base{Index: s.last, Plain: s.stream, Size: s.stream.Size()})
}

func (s *streamSpace) close() error {
	if s.pipe != nil {
		s.pipe.Abort()
	}
	var err error
	if s.stream != nil {
		err = s.stream.Close()
	}
	return errors.Join(err, s.scratch.Remove())
}

// treeSpace is a directory of sample directories, such as a mount. What commands do there stays, and what is packed in the
// end is the directory as it is then.
type treeSpace struct {
	place   string
	temp    string
	source  pack.Source
	base    pack.Base
	closer  io.Closer
	changes *mounts.Changes // of the mount that place is; nil where it is none
	skipped map[string]bool // paths of the samples that are left out
}

func openTreeSpace(ctx context.Context, place, temp string, o *runOptions) (workspace, error) {
	if o.retries > 0 || o.failed != "" || o.addLog != "" {
		return nil, ui.Usagef("%s: --retries, --failed and --add-log are for shards; what a command did to a directory stays", place)
	}
	if o.output.name != "" && (o.onError == "keep" || o.count > 0 || o.skip > 0 || o.keys != "") {
		return nil, ui.Usagef("%s: --on-error keep, --count, --skip and --keys with -o are for shards; a directory is packed as it is", place)
	}
	absolutePlace, err := filepath.Abs(place)
	if err != nil {
		return nil, err
	}
	t := &treeSpace{place: absolutePlace, temp: temp, skipped: make(map[string]bool)}
	changes, err := mounts.Open(ctx, place)
	if errors.Is(err, mounts.ErrNotMounted) {
		root, err := openTree(place)
		if err != nil {
			return nil, err
		}
		t.source, t.closer = pack.Tree{FS: pack.RootFS(root)}, root
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	t.source, t.base, t.closer, t.changes = changes, baseOf(changes.Shard), changes, changes
	return t, nil
}

func (t *treeSpace) name() string        { return t.place }
func (t *treeSpace) dir() string         { return t.temp }
func (t *treeSpace) cut() string         { return "" }
func (t *treeSpace) shard() *shard.Shard { return nil }
func (t *treeSpace) samples() int        { return 0 }
func (t *treeSpace) serves(int) bool     { return false }

// broken tells of a mount whose server is gone.
func (t *treeSpace) broken() error {
	if t.changes != nil && !t.changes.Alive() {
		return fmt.Errorf("%s: the server of the mount has ended", t.place)
	}
	return nil
}

func (t *treeSpace) tasks() iter.Seq2[*task, error] {
	return func(yield func(*task, error) bool) {
		number := 0
		for top, err := range t.source.Dirs() {
			if err != nil {
				yield(nil, err)
				return
			}
			for f := range sampleFolders(top) {
				if !yield(t.task(f.Path, number), nil) {
					return
				}
				number++
			}
		}
		if number == 0 && t.changes == nil {
			yield(nil, noSamples(t.place))
		}
	}
}

// task returns the task for the sample at a path.
func (t *treeSpace) task(path string, number int) *task {
	dir := filepath.Join(t.place, filepath.FromSlash(path))
	key, source := path, t.place
	if b, err := os.ReadFile(filepath.Join(dir, index.KeyFile)); err == nil {
		key = strings.TrimSuffix(string(b), "\n")
	}
	if b, err := os.ReadFile(filepath.Join(dir, index.SourceFile)); err == nil {
		source = string(b)
	}
	return &task{
		number: number, key: key, source: source,
		prepare: func(context.Context, int) (string, error) { return dir, nil },
		now:     func() (pack.Dir, bool, error) { return pack.Dir{}, false, nil }, // rest packs them all
		free:    func() error { return nil },
		discard: func() error { return nil },
		skipped: func() { t.skipped[path] = true },
	}
}

// sampleFolders yields those of a directory and the directories in it that are samples.
func sampleFolders(f pack.Dir) iter.Seq[pack.Dir] {
	return func(yield func(pack.Dir) bool) {
		isSample := f.Sample != nil || f.Path != "" && slices.ContainsFunc(f.Files, func(file pack.DirFile) bool {
			_, _, member := index.SplitFile(file.Name)
			return member || file.Name == index.KeyFile
		})
		if isSample && !yield(f) {
			return
		}
		for _, sub := range f.Dirs {
			for sample := range sampleFolders(sub) {
				if !yield(sample) {
					return
				}
			}
		}
	}
}

func (t *treeSpace) rest(ctx context.Context, w *pack.Writer) error {
	return pack.Pack(ctx, w, pack.All(t.base, t))
}

// Dirs yields the directories without those of skipped samples.
func (t *treeSpace) Dirs() iter.Seq2[pack.Dir, error] {
	return func(yield func(pack.Dir, error) bool) {
		for f, err := range t.source.Dirs() {
			if !t.skipped[f.Path] && !yield(t.without(f), err) {
				return
			}
		}
	}
}

func (t *treeSpace) without(f pack.Dir) pack.Dir {
	var kept []pack.Dir
	for _, sub := range f.Dirs {
		if !t.skipped[sub.Path] {
			kept = append(kept, t.without(sub))
		}
	}
	f.Dirs = kept
	return f
}

func (t *treeSpace) close() error { return t.closer.Close() }
