package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/view"
)

// plainStore is a store that can do nothing beyond what every store must.
type plainStore struct{ store.Store }

// Create refuses resumable outputs, as [store.Options] says.
func (s plainStore) Create(ctx context.Context, name string, o store.Options) (store.Writer, error) {
	if o.Resumable {
		return nil, errors.ErrUnsupported
	}
	return s.Store.Create(ctx, name, o)
}

// remote returns the options of a run whose shards and output are in a store that is not of files. The shard in.tar
// is there.
func (b *bench) remote() (Options, *memory.Store) {
	m := memory.New()
	content, err := os.ReadFile(shardtest.Write(b.T, "a.x", "b.x", "NOTES", "c.x"))
	shardtest.Check(b, err)
	m.Put("mem://bucket/in.tar", content)
	o := b.options(`printf new >sample.y`)
	st := store.ByScheme(map[string]store.Store{store.FileScheme: file.Store{}, "mem": plainStore{m}})
	o.Output.Name, o.Output.Store, o.Output.Sidecar = "mem://bucket/out.tar", st, true
	o.Workspace.Source.Shard = shard.Options{Store: st, CacheDir: b.path("cache")}
	return o, m
}

// All that is done with shards in files is done with those of any other store.
func TestOtherStore(t *testing.T) {
	b := newBench(t)
	o, m := b.remote()
	o.Checkpoints = b.dir // is of no use there, and no fault
	_, err := Run(t.Context(), b.names("mem://bucket/in.tar"), o)
	shardtest.Check(t, err)
	want := []string{"mem://bucket/in.tar", "mem://bucket/out.tar", "mem://bucket/out.tar" + shard.SidecarSuffix}
	if got := m.Names(); !slices.Equal(got, want) {
		t.Errorf("the store holds %q, want %q", got, want)
	}

	// As a source, by the index beside it.
	opened := source.Options{UI: o.UI, Shard: o.Workspace.Source.Shard}
	var said strings.Builder
	opened.Shard.Detail = func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	s, err := source.Open(t.Context(), b.names("mem://bucket/out.tar")[0], opened)
	shardtest.Check(t, err)
	var keys []string
	for sample, err := range s.Samples() {
		shardtest.Check(t, err)
		if !sample.Empty() {
			keys = append(keys, sample.Key)
		}
	}
	if got := strings.Join(keys, " "); got != "a b c" {
		t.Errorf("samples %q", got)
	}
	if !strings.Contains(said.String(), "index from mem://bucket/out.tar"+shard.SidecarSuffix) {
		t.Errorf("the index is from elsewhere: %s", said.String())
	}
	shardtest.Check(t, s.Close())

	// Several in one view.
	names := []string{"mem://bucket/in.tar", "mem://bucket/out.tar"}
	open := func(ctx context.Context, name string) (*shard.Shard, error) {
		return shard.Open(ctx, name, o.Workspace.Source.Shard)
	}
	set, err := view.Many(t.Context(), o.Output.Store, names, open)
	shardtest.Check(t, err)
	defer set.Close()
	part, ok := set.Part("out")
	if !ok {
		t.Fatal("there is no directory of the second shard")
	}
	e, err := set.Use(t.Context(), part.Ino)
	shardtest.Check(t, err)
	defer e.Release()
	sample, err := e.View.Lookup(e.Ino, "c")
	shardtest.Check(t, err)
	member, err := e.View.Lookup(sample.Ino, "sample.y")
	shardtest.Check(t, err)
	buf := make([]byte, 10)
	if n, err := e.View.ReadAt(t.Context(), member.Ino, buf, 0); string(buf[:n]) != "new" || err != nil {
		t.Errorf("sample.y holds %q, %v", buf[:n], err)
	}

	// And to be mounted, nothing is asked of names that are no paths.
	mountpoint := b.path("mnt")
	shardtest.Check(t, os.Mkdir(mountpoint, 0o755))
	served := server.Options{Names: names, Mountpoint: mountpoint}
	shardtest.Check(t, server.Prepare(o.UI, &served))
	if served.Names[0] != names[0] || filepath.Base(served.Mountpoint) != "mnt" {
		t.Errorf("prepared: %+v", served)
	}
}

// A store that keeps nothing of an unfinished output cannot be resumed into, which is said before any command runs.
func TestResumeInOtherStore(t *testing.T) {
	b := newBench(t)
	o, m := b.remote()
	o.Checkpoints, o.Resume = b.dir, true
	_, err := Run(t.Context(), b.names("mem://bucket/in.tar"), o)
	if usage := new(ui.UsageError); !errors.Is(err, errNoResume) || !errors.As(err, &usage) {
		t.Errorf("to resume: %v", err)
	}
	if got := m.Names(); len(got) != 1 {
		t.Errorf("the store holds %q", got)
	}
}

// A kind of URL that no store is for is a fault of the name.
func TestUnknownStore(t *testing.T) {
	b := newBench(t)
	o, _ := b.remote()
	if _, err := Run(t.Context(), b.names("other://bucket/in.tar"), o); !errors.Is(err, store.ErrScheme) {
		t.Errorf("a shard: %v", err)
	}
	o.Output = output.Options{Name: "other://bucket/out.tar", Store: o.Output.Store, UI: o.UI}
	if _, err := Run(t.Context(), b.names("mem://bucket/in.tar"), o); !errors.Is(err, store.ErrScheme) {
		t.Errorf("an output: %v", err)
	}
}

// closedStore is a store in which nothing may be written, which it says when something is.
type closedStore struct{ store.Store }

func (s closedStore) Create(ctx context.Context, name string, o store.Options) (store.Writer, error) {
	w, err := s.Store.Create(ctx, name, o)
	return closedWriter{w}, err
}

type closedWriter struct{ store.Writer }

func (closedWriter) Write([]byte) (int, error) { return 0, fs.ErrPermission }

// An output that may not be written ends the run, whatever is done with bad shards.
func TestClosedStore(t *testing.T) {
	b := newBench(t)
	o, m := b.remote()
	o.Output.Name, o.Output.Store = "", store.ByScheme(map[string]store.Store{"mem": closedStore{m}})
	o.Outputs, o.OnError = []string{"mem://bucket/a.tar", "mem://bucket/b.tar"}, Skip
	_, err := Run(t.Context(), b.names(shards(t, "a.x", "b.x")...), o)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "mem://bucket/a.tar: ") {
		t.Errorf("the error is %v", err)
	}
	if names := m.Names(); len(names) > 1 {
		t.Errorf("the store holds %q", names)
	}
}
