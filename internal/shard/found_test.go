package shard

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"

	"github.com/shardfs/shardfs/internal/codec"
)

// details collects what a shard says about where its index comes from.
type details struct {
	mu   sync.Mutex
	text strings.Builder
}

func (d *details) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(&d.text, format+"\n", args...)
}

func (d *details) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// checkAll compares a shard with its plain bytes: every key can be found and every member has its bytes.
func checkAll(t *testing.T, story string, s *Shard, plain []byte) {
	t.Helper()
	want := mustIndex(t, plain)
	if s.Index.Rows() != want.Rows() || s.Index.Samples() != want.Samples() {
		t.Fatalf("%s: %d rows and %d samples, want %d and %d", story, s.Index.Rows(), s.Index.Samples(), want.Rows(),
			want.Samples())
	}
	for n := range want.Samples() {
		if got, ok := s.Index.FindKey(want.Key(n)); !ok || got != n || s.Index.Key(n) != want.Key(n) {
			t.Fatalf("%s: sample %d %q is found as %d, %v, and named %q", story, n, want.Key(n), got, ok,
				s.Index.Key(n))
		}
	}
	for row := range want.Rows() {
		if got, want := s.Index.Member(row), want.Member(row); got != want {
			t.Fatalf("%s: %+v, want %+v", story, got, want)
		}
		content, err := s.Index.Open(row, s.Reader(t.Context()))
		if err != nil {
			t.Fatalf("%s: row %d: %v", story, row, err)
		}
		data, size := want.Content(row)
		got := make([]byte, size)
		if n, err := content.ReadAt(got, 0); n != len(got) || !bytes.Equal(got, plain[data:data+size]) {
			t.Fatalf("%s: content of row %d: %d bytes, %v", story, row, n, err)
		}
	}
}

// onlyEntry returns the path of the only index file in a cache.
func onlyEntry(t *testing.T, dir string) string {
	t.Helper()
	names := cacheFiles(t, dir)
	if len(names) != 1 || !isEntry(names[0]) {
		t.Fatalf("in the cache: %q", names)
	}
	return filepath.Join(dir, names[0])
}

// Wherever the file in the cache is damaged or truncated, all results are right, and the cache has a valid file
// afterwards.
func TestOpenDamagedCache(t *testing.T) {
	plain := makeTar(t, 60, 2000)
	for story, stored := range map[string][]byte{"plain": plain, "gzip": zip(t, plain)} {
		name, dir := save(t, stored), filepath.Join(t.TempDir(), "cache")
		if s := mustOpen(t, name, Options{CacheDir: dir}); !s.Indexed {
			t.Fatal("an index from an empty cache")
		}
		file := onlyEntry(t, dir)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		try := func(story string, content []byte) {
			t.Helper()
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				s, err := Open(t.Context(), name, Options{CacheDir: dir})
				if err != nil {
					t.Fatalf("%s: %v", story, err)
				}
				checkAll(t, story, s, plain)
				if i == 1 && (s.Indexed || s.file.Verify() != nil) {
					t.Errorf("%s: no good index has been kept: %v, %v", story, s.Indexed, s.file.Verify())
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		for at := 0; at < len(whole); at += len(whole)/20 + 1 {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 0x55
			try(fmt.Sprintf("%s, byte %d of %d", story, at, len(whole)), damaged)
		}
		for _, n := range []int{0, 1, 100, len(whole) / 2, len(whole) - 1} {
			try(fmt.Sprintf("%s, cut at byte %d", story, n), whole[:n])
		}
		try(story+", longer", append(bytes.Clone(whole), 0))
		try(story+", zeros", make([]byte, len(whole)))
	}
}

// swapped returns two tars of the same members in another order, and so of the same length.
func swapped(t *testing.T) (plain, other []byte) {
	plain = makeTar(t, 20, 1000)
	x := mustIndex(t, plain)
	middle, end := x.Offset(x.Sample(10).Start), x.End()
	other = bytes.Clone(plain)
	n := copy(other, plain[middle:end])
	copy(other[n:], plain[:middle])
	return plain, other
}

// An index of another shard with right checksums gives ErrStale when it is used, and is removed from the cache when the
// shard is closed.
func TestOpenFalseCache(t *testing.T) {
	plain, other := swapped(t)
	for _, stored := range [][]byte{plain, zip(t, plain)} {
		name, dir := save(t, stored), filepath.Join(t.TempDir(), "cache")
		s := mustOpen(t, name, Options{CacheDir: dir})
		f := *s.file
		f.Index = mustIndex(t, other)
		file := onlyEntry(t, dir)
		if err := saveTo(t.Context(), local, &f, file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), name, Options{CacheDir: dir})
		if err != nil || s.Indexed {
			t.Fatalf("%v, indexed %v", err, s.Indexed)
		}
		right := mustIndex(t, plain)
		for row := range s.Index.Rows() {
			if _, err := s.Index.Open(row, s.Reader(t.Context())); !errors.Is(err, index.ErrStale) &&
				s.Index.Member(row) != right.Member(row) {
				t.Errorf("row %d: %v, want %v", row, err, index.ErrStale)
			}
		}
		if err := s.Wait(t.Context(), func(*index.Index) bool { return true }); !errors.Is(err, index.ErrStale) {
			t.Errorf("looked at afterwards: %v, want %v", err, index.ErrStale)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if names := cacheFiles(t, dir); len(names) != 0 {
			t.Errorf("in the cache afterwards: %q", names)
		}
		s = mustOpen(t, name, Options{CacheDir: dir})
		if !s.Indexed {
			t.Error("the next one takes it again")
		}
		checkAll(t, "the next one", s, plain)
	}
}

// A server changes its working directory, to which the shard's name is relative. The index is still saved and forgotten
// in the same place. A .. after a link means the same as for the kernel.
func TestOpenRelative(t *testing.T) {
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	plain := makeTar(t, 20, 1000)
	for path, content := range map[string][]byte{"in.tar": plain, "a/b/in.tar": plain, "a/in.tar": makeTar(t, 3, 10)} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a/b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	s := mustOpen(t, "link/../in.tar", Options{})
	if s.Index.Samples() != 3 || s.Name != "link/../in.tar" {
		t.Errorf("%s: %d samples, want 3", s.Name, s.Index.Samples())
	}
	s = mustOpen(t, "in.tar", Options{CacheDir: cache})
	file := onlyEntry(t, cache)
	t.Chdir("/")
	s.Forget()
	if _, err := os.Lstat(file); err == nil {
		t.Error("it is still there")
	}
	if s := mustOpen(t, filepath.Join(dir, "in.tar"), Options{CacheDir: cache}); !s.Indexed ||
		onlyEntry(t, cache) != file {
		t.Errorf("the same shard by its absolute name: indexed %v, in %s, want %s", s.Indexed,
			onlyEntry(t, cache), file)
	}
}

// An index file beside a shard can be used after both were copied; a message says where the index comes from.
func TestOpenSidecar(t *testing.T) {
	plain := makeTar(t, 60, 8000)
	for _, stored := range [][]byte{plain, zip(t, plain)} {
		name := save(t, stored)
		s := mustOpen(t, name, Options{})
		if err := s.Save(t.Context(), name+SidecarSuffix); err != nil {
			t.Fatal(err)
		}
		sidecar, err := os.ReadFile(name + SidecarSuffix)
		if err != nil {
			t.Fatal(err)
		}
		middle := bytes.Clone(stored)
		middle[len(stored)/2] ^= 1
		last := bytes.Clone(stored)
		last[len(stored)-1] ^= 1
		for _, tt := range []struct {
			story   string
			stored  []byte
			sidecar []byte
			used    bool
		}{
			{"a copy", stored, sidecar, true},
			{"a longer shard", append(bytes.Clone(stored), make([]byte, 512)...), sidecar, false},
			{"another byte in the middle", middle, sidecar, false},
			{"another last byte", last, sidecar, false},
			{"another shard", makeTar(t, 10, 10), sidecar, false},
			{"a byte of the columns changed", stored, flipped(sidecar, 8), false},
			{"a byte of the end changed", stored, flipped(sidecar, len(sidecar)-10), false},
			{"cut", stored, sidecar[:len(sidecar)/2], false},
			{"empty", stored, nil, false},
			{"a text", stored, []byte("hello"), false},
		} {
			name := filepath.Join(t.TempDir(), "copy.tar")
			if err := errors.Join(os.WriteFile(name, tt.stored, 0o644),
				os.WriteFile(name+SidecarSuffix, tt.sidecar, 0o644)); err != nil {
				t.Fatal(err)
			}
			old := time.Unix(1_000_000_000, 0)
			if err := os.Chtimes(name, old, old); err != nil {
				t.Fatal(err)
			}
			var said details
			s, err := Open(t.Context(), name, Options{Detail: said.add})
			if err != nil {
				if tt.used || bytes.Equal(tt.stored, stored) {
					t.Errorf("%s: %v", tt.story, err)
				}
				continue
			}
			if s.Indexed == tt.used || strings.Contains(said.String(), "index from "+name+SidecarSuffix) != tt.used {
				t.Errorf("%s: indexed %v, said %q", tt.story, s.Indexed, &said)
			}
			if !s.ModTime().Equal(old) || !strings.Contains(s.Origin.Version, fmt.Sprint(old.UnixNano())) {
				t.Errorf("%s: its time is that of another copy", tt.story)
			}
			if bytes.Equal(tt.stored, stored) {
				checkAll(t, tt.story, s, plain)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

// With NoIndex neither the cache nor the sidecar is used, and no index file is written.
func TestOpenNoIndex(t *testing.T) {
	plain := makeTar(t, 5, 100)
	name, dir := save(t, plain), filepath.Join(t.TempDir(), "cache")
	s := mustOpen(t, name, Options{CacheDir: dir, NoIndex: true})
	if _, err := os.Lstat(dir); err == nil || !s.Indexed {
		t.Errorf("a cache was made, indexed %v", s.Indexed)
	}
	if err := s.Save(t.Context(), name+SidecarSuffix); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, name, Options{CacheDir: dir})
	if s := mustOpen(t, name, Options{CacheDir: dir, NoIndex: true}); !s.Indexed {
		t.Error("an index was taken")
	}
}

// A sidecar with another compression than the shard's belongs to another shard, and does not make this one damaged.
func TestOpenSidecarOfAnotherFormat(t *testing.T) {
	plain := makeTar(t, 5, 100)
	name := save(t, plain)
	f := *mustOpen(t, name, Options{}).file
	for _, f.Format = range []codec.Format{codec.Gzip, codec.Zstd, codec.XZ, 77} {
		if err := saveTo(t.Context(), local, &f, name+SidecarSuffix); err != nil {
			t.Fatal(err)
		}
		checkAll(t, f.Format.String(), mustOpen(t, name, Options{}), plain)
	}
}

// A sidecar that is only long takes no memory, also beside a long shard.
func TestOpenLongSidecar(t *testing.T) {
	name := save(t, makeTar(t, 5, 100))
	if err := errors.Join(os.WriteFile(name+SidecarSuffix, nil, 0o600),
		os.Truncate(name+SidecarSuffix, 256<<20)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{1 << 20, 300 << 20} {
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustOpen(t, name, Options{})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
			t.Errorf("%d bytes of memory beside a shard of %d bytes", n, size)
		}
	}
}

// A named index file that turns out to be false is removed.
func TestFalseIndexFile(t *testing.T) {
	plain := makeTar(t, 5, 100)
	name, file := save(t, plain), filepath.Join(t.TempDir(), "file")
	f := *mustOpen(t, name, Options{}).file
	f.Index = falseIndex(t, plain, true, func(int) bool { return true }, func(e *index.Entry) { e.Mode ^= 1 })
	if err := saveTo(t.Context(), local, &f, file); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), name, Options{IndexFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Index.Open(1, s.Reader(t.Context())); !errors.Is(err, index.ErrStale) {
		t.Errorf("a member by a false index: %v", err)
	}
	s.Close()
	checkAll(t, "again", mustOpen(t, name, Options{IndexFile: file}), plain)
}

// A shard of nothing but empty frames is refused.
func TestOpenEmptyFrames(t *testing.T) {
	name := save(t, bytes.Repeat([]byte("\x50\x2a\x4d\x18\x00\x00\x00\x00"), 1<<16))
	if _, err := Open(t.Context(), name, Options{}); err == nil {
		t.Error("opened")
	}
}

// A shard that was changed in place, with its time set back, is indexed again.
func TestOpenSameTime(t *testing.T) {
	plain := makeTar(t, 5, 100)
	name, o := save(t, plain), Options{CacheDir: filepath.Join(t.TempDir(), "cache")}
	mustOpen(t, name, o)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	plain[index.BlockSize] ^= 1
	if err := errors.Join(os.WriteFile(name, plain, 0o600),
		os.Chtimes(name, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	if s := mustOpen(t, name, o); !s.Indexed {
		t.Error("the index of what was there before")
	}
}
