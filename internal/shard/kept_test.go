package shard

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
	"github.com/shardfs/shardfs/internal/store/memory"
)

// counted is a store that counts which bytes are read: nothing is decoded without reading it first.
type counted struct {
	*memory.Store
	bytes atomic.Int64
	rot   atomic.Int64 // a place whose byte is read as another; 0: none
}

// Open implements [store.Store].
func (s *counted) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := s.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return countedObject{o, s}, nil
}

type countedObject struct {
	store.Object
	s *counted
}

// Exact implements [store.Exact].
func (o countedObject) Exact() bool { return true }

// ReadAt implements [store.Object].
func (o countedObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(ctx, p, off)
	o.s.bytes.Add(int64(n))
	if at := o.s.rot.Load() - off; at < int64(n) && at >= 0 && at != -off {
		p[at] ^= 1
	}
	return n, err
}

// keptShard is a shard that cannot be decompressed from the middle, and where its bytes are kept.
type keptShard struct {
	t      *testing.T
	s      *counted
	plain  []byte
	cache  string // of indexes
	blocks string
	limit  int64
	said   []string
}

const keptName = "memory://bucket/a.tar.zst"

func newKeptShard(t *testing.T) *keptShard {
	k := &keptShard{t: t, s: &counted{Store: memory.New()}, cache: t.TempDir(), limit: 1 << 30}
	k.blocks = filepath.Join(k.cache, "blocks")
	k.plain = makeTar(t, 45, 400_000)
	k.s.Put(keptName, compressedBy(t, k.plain, "zstd", "-1"))
	return k
}

// opened opens the shard as another process does.
func (k *keptShard) opened(growing bool) *Shard {
	k.t.Helper()
	return k.openedOn(k.disk(), growing)
}

func (k *keptShard) disk() *ahead.Disk {
	k.t.Helper()
	disk, err := ahead.OpenDisk(k.blocks, k.limit)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { disk.Close() })
	return disk
}

func (k *keptShard) openedOn(disk *ahead.Disk, growing bool) *Shard {
	k.t.Helper()
	shared := NewShared(0)
	shared.KeepOn(func() *ahead.Disk { return disk })
	var mu sync.Mutex
	sh, err := Open(k.t.Context(), keptName, Options{
		Store: k.s, CacheDir: k.cache, Growing: growing, SpoolDir: k.t.TempDir(), Shared: shared,
		Detail: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			k.said = append(k.said, fmt.Sprintf(format, args...))
		},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return sh
}

// read reads the shard's plain bytes up to an offset, and closes it. It returns how many stored bytes that took.
func (k *keptShard) read(sh *Shard, upTo int) int64 {
	k.t.Helper()
	const step = 100_001
	for off := 0; off < upTo; off += step {
		p := make([]byte, min(step, upTo-off))
		if n, err := sh.ReadAt(k.t.Context(), p, int64(off)); n != len(p) || !bytes.Equal(p, k.plain[off:off+n]) {
			k.t.Fatalf("%d other bytes at %d, %v", n, off, err)
		}
	}
	if err := sh.Close(); err != nil {
		k.t.Error(err)
	}
	return k.s.bytes.Swap(0)
}

// decodes opens and reads the whole shard, and checks whether that has decoded it, or nothing of it.
func (k *keptShard) decodes(story string, want bool) {
	k.t.Helper()
	const opening = 64 << 10
	k.s.bytes.Store(0)
	if n := k.read(k.opened(false), len(k.plain)); n > opening != want {
		k.t.Errorf("%s: %d stored bytes were read, want them decoded: %t; said %q", story, n, want, k.said)
	}
}

// files returns the files of blocks.
func (k *keptShard) files() []string {
	files, err := filepath.Glob(filepath.Join(k.blocks, "*"))
	if err != nil {
		k.t.Fatal(err)
	}
	return files
}

// A shard without places is decoded by one process, whether that indexes it at once, while it is read, or only reads it.
// Later ones decode none of it.
func TestKept(t *testing.T) {
	for _, growing := range []bool{false, true} {
		k := newKeptShard(t)
		sh := k.opened(growing)
		if _, err := sh.Built(); err != nil { // one that ends earlier keeps nothing
			t.Fatal(err)
		}
		if n := k.read(sh, len(k.plain)); n < 1<<20 {
			t.Fatalf("%d stored bytes were read: the test proves nothing", n)
		}
		k.decodes("the second time", false)
		k.decodes("the third time", false)
		if err := os.RemoveAll(k.blocks); err != nil {
			t.Fatal(err)
		}
		k.decodes("indexed, and nothing kept", true)
		k.decodes("after that", false)
		if err := os.RemoveAll(k.blocks); err != nil {
			t.Fatal(err)
		}
		k.read(k.opened(false), len(k.plain)-15_000) // all members, but not the end of the tar
		k.decodes("after all members were read", false)

		sh = k.opened(false)
		p := make([]byte, 100)
		if n, err := sh.ReadAt(t.Context(), p, int64(len(k.plain)-7)); n != 7 || err == nil {
			t.Errorf("at the end: %d bytes, %v", n, err)
		}
		sh.Close()
	}
}

// What is damaged, cut or missing on the disk is decoded again, and kept again.
func TestKeptDamaged(t *testing.T) {
	k := newKeptShard(t)
	k.decodes("the first time", true)
	k.decodes("the second time", false)
	for n := range len(k.files()) {
		for _, damage := range []func(name string) error{
			os.Remove,
			func(name string) error { return os.Truncate(name, 4096+5) },
			func(name string) error {
				b, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				b[len(b)-1] ^= 1
				return os.WriteFile(name, b, 0o600)
			},
		} {
			if n%5 > 0 { // a marker is somewhere among them
				if info, err := os.Stat(k.files()[n]); err != nil || info.Size() > 5000 {
					continue
				}
			}
			if err := damage(k.files()[n]); err != nil {
				t.Fatal(err)
			}
			k.decodes("damaged", true)
			k.decodes("after that", false)
		}
	}
}

// A shard that was replaced has none of the bytes of the one before it.
func TestKeptReplaced(t *testing.T) {
	k := newKeptShard(t)
	k.decodes("the first time", true)
	k.plain = bytes.ReplaceAll(k.plain, []byte{1, 2}, []byte{2, 1})
	k.s.Put(keptName, compressedBy(t, k.plain, "zstd", "-1"))
	k.decodes("replaced", true)
	k.decodes("after that", false)
}

// A process that ends before the end keeps nothing, so that no byte is used whose shard was not verified; nor do one that
// was killed, and one that finds damage.
func TestKeptUnfinished(t *testing.T) {
	k := newKeptShard(t)
	k.decodes("the first time", true)
	os.RemoveAll(k.blocks)
	k.read(k.opened(false), len(k.plain)/2)
	if files := k.files(); len(files) > 0 {
		t.Errorf("closed in the middle: %q", files)
	}

	killed := k.opened(false)
	p := make([]byte, 5_000_000)
	if _, err := killed.ReadAt(t.Context(), p, 0); err != nil || len(k.files()) == 0 {
		t.Fatalf("%v, %d files: the test proves nothing", err, len(k.files()))
	}
	k.decodes("while another one is at it, or was killed", true)
	killed.Close() // does not remove what the other one has finished
	k.decodes("after both", false)

	os.RemoveAll(k.blocks)
	k.s.rot.Store(3 << 20)
	sh := k.opened(false)
	p = make([]byte, len(k.plain))
	if _, err := sh.ReadAt(t.Context(), p, 0); err == nil {
		t.Error("damage was not noticed")
	}
	sh.Close()
	k.s.rot.Store(0)
	k.decodes("after damage", true)
	k.decodes("after that", false)
}

// Two processes at once write the same files.
func TestKeptTogether(t *testing.T) {
	k := newKeptShard(t)
	var all sync.WaitGroup
	for range 2 {
		sh := k.opened(false)
		all.Go(func() {
			p := make([]byte, len(k.plain))
			if _, err := sh.ReadAt(t.Context(), p, 0); err != nil || !bytes.Equal(p, k.plain) {
				t.Errorf("other bytes, %v", err)
			}
		})
		defer sh.Close()
	}
	all.Wait()
	k.decodes("after both", false)
}

// Where a shard does not fit, or nothing can be written, it is decoded as without a disk, which is said once.
func TestKeptWithoutRoom(t *testing.T) {
	for _, tt := range []struct {
		story string
		limit int64
		gone  bool // the directory is removed after it was opened, so that nobody can make files in it
	}{
		{"a limit below its size", 16 << 20, false},
		{"a directory that takes no files", 1 << 30, true},
	} {
		k := newKeptShard(t)
		k.limit = tt.limit
		for _, when := range []string{"not indexed", "indexed"} {
			k.said = nil
			disk := k.disk()
			if tt.gone {
				os.RemoveAll(k.blocks)
			}
			if n := k.read(k.openedOn(disk, false), len(k.plain)); n < 1<<20 {
				t.Errorf("%s, %s: it was not decoded", tt.story, when)
			}
			unkept := slices.DeleteFunc(slices.Clone(k.said), func(said string) bool {
				return !strings.Contains(said, "its decompressed bytes are not kept: ")
			})
			if files := k.files(); len(files) > 0 || len(unkept) != 1 {
				t.Errorf("%s, %s: %q, said %q", tt.story, when, files, k.said)
			}
		}
	}
}
