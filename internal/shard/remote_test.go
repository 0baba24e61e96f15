package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
)

// far is a store that is one round trip away. Opening an object gets its first MiB.
type far struct {
	*memory.Store
	exact bool             // versions prove bytes
	fails map[string]error // of opening, by name

	mu       sync.Mutex
	patience map[string]time.Duration // by name, of those that were opened
	asked    []string                 // names that were opened, and what was read after the first MiB
	bytes    int64                    // read after that
}

const (
	roundTrip = 20 * time.Millisecond
	farHead   = 1 << 20
)

func (s *far) ask(what string) {
	s.mu.Lock()
	s.asked = append(s.asked, what)
	s.mu.Unlock()
	time.Sleep(roundTrip)
}

// Open implements [store.Store].
func (s *far) Open(ctx context.Context, name string) (store.Object, error) {
	s.mu.Lock()
	if s.patience == nil {
		s.patience = make(map[string]time.Duration)
	}
	s.patience[name] = store.Patience(ctx, time.Hour)
	s.mu.Unlock()
	s.ask(name)
	if err := s.fails[name]; err != nil {
		return nil, err
	}
	o, err := s.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return &farObject{o, s}, nil
}

type farObject struct {
	store.Object
	s *far
}

func (o *farObject) Exact() bool { return o.s.exact }

func (o *farObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if end := min(off+int64(len(p)), o.Size()); end > farHead {
		o.s.ask(fmt.Sprintf("%d at %d", len(p), off))
		o.s.mu.Lock()
		o.s.bytes += end - max(off, farHead)
		o.s.mu.Unlock()
	}
	return o.Object.ReadAt(ctx, p, off)
}

// How many round trips opening a remote shard takes, and which requests.
func TestOpenRemote(t *testing.T) {
	plain := makeTar(t, 40, 100_000)
	const name, beside = "memory://bucket/a.tar", "memory://bucket/a.tar.sfidx"
	s := memory.New()
	s.Put(name, plain)
	local := mustOpen(t, save(t, plain), Options{})
	local.o.Store = s
	if err := local.Save(t.Context(), beside); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		story   string
		exact   bool
		sidecar bool
		cached  bool
		likely  bool // see Unproved
		trips   int
		opened  []string
		reads   int
	}{
		{"with a sidecar", true, true, false, false, 3, []string{name, beside}, 3},
		{"with a sidecar, version unknown", false, true, false, false, 3, []string{name, beside}, 3},
		{"with a sidecar, unproved", true, true, false, true, 1, []string{name, beside}, 0},
		{"with a sidecar, unproved, version unknown", false, true, false, true, 3, []string{name, beside}, 3},
		{"cached", true, true, true, false, 2, []string{name}, 1},
		{"cached, version unknown", false, true, true, false, 3, []string{name}, 3},
		{"cached, unproved", true, true, true, true, 2, []string{name}, 1},
	} {
		t.Run(tt.story, func(t *testing.T) {
			o := Options{CacheDir: t.TempDir()}
			if tt.cached {
				o.Store = &far{Store: s, exact: tt.exact}
				sh, err := Open(t.Context(), name, o)
				if err != nil {
					t.Fatal(err)
				}
				sh.Close()
			}
			synctest.Test(t, func(t *testing.T) {
				f := &far{Store: s, exact: tt.exact}
				o.Store, o.Unproved = f, tt.likely
				begun := time.Now()
				sh, err := Open(t.Context(), name, o)
				if err != nil {
					t.Fatal(err)
				}
				defer sh.Close()
				took := time.Since(begun)
				for n := range sh.Index.Samples() {
					sh.Index.Key(n)
				}
				slices.Sort(f.asked)
				opened := slices.DeleteFunc(slices.Clone(f.asked), func(what string) bool {
					return !strings.Contains(what, "://")
				})
				if !slices.Equal(opened, tt.opened) || len(f.asked)-len(opened) != tt.reads || sh.Indexed ||
					took > time.Duration(tt.trips)*roundTrip {
					t.Errorf("%v, %q; indexed: %v", took, f.asked, sh.Indexed)
				}
			})
		})
	}
}

// Those who want only an index that is at hand do not ask for a plain shard that has none.
func TestOpenRemoteAtHand(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sidecar bool
		cached  bool
		opened  []string
		want    error
	}{
		{"a.tar", false, false, []string{"a.tar.sfidx"}, ErrNotAtHand},
		{"a.tar", true, false, []string{"a.tar", "a.tar.sfidx"}, nil},
		{"a.tar", false, true, []string{"a.tar"}, nil},
		{"a.tgz", false, false, []string{"a.tgz", "a.tgz.sfidx"}, ErrNotAtHand}, // it could have an index inside
	} {
		s := memory.New()
		plain := makeTar(t, 40, 100_000)
		s.Put("memory://bucket/"+tt.name, plain)
		if tt.sidecar {
			local := mustOpen(t, save(t, plain), Options{})
			local.o.Store = s
			if err := local.Save(t.Context(), "memory://bucket/"+tt.name+SidecarSuffix); err != nil {
				t.Fatal(err)
			}
		}
		o := Options{CacheDir: t.TempDir(), Store: s}
		if tt.cached {
			sh, err := Open(t.Context(), "memory://bucket/"+tt.name, o)
			if err != nil {
				t.Fatal(err)
			}
			sh.Close()
		}
		f := &far{Store: s, exact: true}
		o.Store, o.AtHand = f, true
		sh, err := Open(t.Context(), "memory://bucket/"+tt.name, o)
		if err == nil {
			sh.Close()
		}
		var opened []string
		for _, what := range f.asked {
			if name, ok := strings.CutPrefix(what, "memory://bucket/"); ok {
				opened = append(opened, name)
			}
		}
		slices.Sort(opened)
		if !errors.Is(err, tt.want) || !slices.Equal(opened, tt.opened) {
			t.Errorf("%+v: %v, opened %q", tt, err, opened)
		}
	}
}

// A sidecar that cannot be read is done without, and one that was changed while it was read is an error.
func TestOpenRemoteErrors(t *testing.T) {
	plain := makeTar(t, 5, 1000)
	const name, beside = "https://user:secret@host/a.tar?secret", "https://user:secret@host/a.tar.sfidx?secret"
	for _, tt := range []struct {
		err  error
		want error
	}{
		{fs.ErrNotExist, nil}, {fs.ErrPermission, nil}, {errors.New("odd"), nil},
		{store.ErrUnreachable, nil}, {store.ErrChanged, store.ErrChanged},
	} {
		f := &far{Store: memory.New(), exact: true, fails: map[string]error{beside: tt.err}}
		f.Put(name, plain)
		var said details
		sh, err := Open(t.Context(), name, Options{Store: f, Detail: said.add})
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%v: %v", tt.err, err)
		}
		if err == nil {
			checkAll(t, tt.err.Error(), sh, plain)
			sh.Close()
		}
		if f.patience[name] != time.Hour || f.patience[beside] > 10*time.Second {
			t.Errorf("a store is tried for %v", f.patience)
		}
		if text := said.String() + fmt.Sprint(err); strings.Contains(text, "secret") {
			t.Errorf("%v: a secret is told: %s", tt.err, text)
		}
	}
}

// An index that was made of a remote shard whose version is known fits its copies, too.
func TestSaveRemote(t *testing.T) {
	plain := makeTar(t, 5, 1000)
	f := &far{Store: memory.New(), exact: true}
	f.Put("memory://a", plain)
	sh := mustOpen(t, "memory://a", Options{Store: f})
	if sh.Origin.Probe != "" {
		t.Errorf("bytes were probed, although the version proves them: %v", sh.Origin)
	}
	f.Put("memory://b", plain)
	if err := sh.Save(t.Context(), "memory://b"+SidecarSuffix); err != nil {
		t.Fatal(err)
	}
	if b := mustOpen(t, "memory://b", Options{Store: f}); b.Indexed {
		t.Error("the sidecar does not fit")
	}
}
