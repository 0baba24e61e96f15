package view

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

func check(t testing.TB, err error) {
	if err == nil {
		return // before Helper, which takes long in a benchmark
	}
	t.Helper()
	t.Fatal(err)
}

// write writes a shard of samples with these extensions, each file size bytes long.
func write(t testing.TB, name string, samples, size int, exts ...string) {
	t.Helper()
	f, err := os.Create(name)
	check(t, err)
	w := tar.NewWriter(f)
	for i := range samples {
		for _, ext := range exts {
			content := strings.Repeat(fmt.Sprintf("%07d\n", i), size/8)
			check(t, w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%06d.%s", i, ext), Size: int64(len(content)),
				Mode: 0o644}))
			_, err := w.Write([]byte(content))
			check(t, err)
		}
	}
	check(t, errors.Join(w.Close(), f.Sync(), f.Close()))
}

func open(t testing.TB, name string) *View {
	t.Helper()
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, sh.Close()) })
	return New(sh)
}

// The first read in a sample loads all of it into memory; reading samples in order also loads the following ones, but
// not much more.
func TestReadAhead(t *testing.T) {
	const size = 200_000
	name := filepath.Join(t.TempDir(), "shard.tar")
	write(t, name, 100, size, "a", "b", "c")
	v := open(t, name)
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	length := v.Shard.Plain()
	mapped, err := unix.Mmap(int(f.Fd()), 0, int(length), unix.PROT_READ, unix.MAP_SHARED)
	check(t, err)
	defer unix.Munmap(mapped)
	check(t, unix.Madvise(mapped, unix.MADV_RANDOM))
	// resident returns how many bytes of a range are in memory.
	resident := func(from, to int64) (n int64) {
		pages := make([]byte, (length+4095)/4096)
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mapped[0])), uintptr(length),
			uintptr(unsafe.Pointer(&pages[0])))
		if errno != 0 {
			t.Fatal(errno)
		}
		for i := from / 4096; i < to/4096; i++ {
			n += int64(pages[i]&1) * 4096
		}
		return n
	}
	check(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	if resident(0, length) > length/10 {
		skip.Without(t, "files that are not in memory, which those in %s always are", filepath.Dir(name))
	}
	x := v.Shard.Index
	read := func(sample, member int) {
		t.Helper()
		dir := DirIno(x.DirOf(sample))
		a, err := v.Lookup(dir, "sample."+string(rune('a'+member)))
		check(t, err)
		_, err = v.ReadAt(t.Context(), a.Ino, make([]byte, 4096), 0)
		check(t, err)
	}
	await := func(what string, from, to int64) {
		t.Helper()
		testtime.Eventually(t, what+" to be in memory", func() bool { return resident(from, to) >= (to-from)*9/10 })
	}
	s := x.Sample(50)
	start, end := x.Offset(s.Start), x.Offset(s.End)
	read(50, 0)
	await("the sample of a file that was read", start, end)
	if n := resident(0, length); n > end-start+256<<10 {
		t.Errorf("to read in one sample of %d bytes has brought %d bytes into memory", end-start, n)
	}
	// In order, as a walk over the first 30 samples.
	for n := range 30 {
		for member := range 3 {
			read(n, member)
		}
	}
	last := x.Sample(29)
	walked := x.Offset(last.End)
	await("the next sample in order", walked, x.Offset(x.Sample(30).End))
	if n := resident(0, start); n > walked+window+window/2 {
		t.Errorf("a walk over %d bytes has brought %d into memory", walked, n)
	}
}

// The most recently used of many shards stay open, and a shard that was changed meanwhile is an error.
func TestManyShards(t *testing.T) {
	const shards = 200
	dir := t.TempDir()
	var names []string
	for i := range shards {
		names = append(names, filepath.Join(dir, fmt.Sprintf("s%d.tar", i)))
		write(t, names[i], 3, 80, "x")
	}
	var mu sync.Mutex // guards opened
	opened := make(map[string]int)
	set, err := Many(t.Context(), nil, names, func(ctx context.Context, name string) (*shard.Shard, error) {
		mu.Lock()
		opened[name]++
		mu.Unlock()
		return shard.Open(ctx, name, shard.Options{})
	})
	check(t, err)
	defer func() { check(t, set.Close()) }()
	if len(opened) > 0 {
		t.Errorf("before they are used, %d shards are open", len(opened))
	}
	const most = 32
	set.limit(most)
	use := func(shard int) error {
		a, ok := set.Part(fmt.Sprintf("s%d", shard))
		if !ok {
			t.Fatalf("shard %d is not there", shard)
		}
		e, err := set.Use(t.Context(), a.Ino)
		if err != nil {
			return err
		}
		defer e.Release()
		file, err := e.View.Lookup(e.Ino, "000002")
		check(t, err)
		file, err = e.View.Lookup(file.Ino, "sample.x")
		check(t, err)
		again, err := set.Use(t.Context(), e.Global(file.Ino))
		check(t, err)
		defer again.Release()
		buf := make([]byte, 100)
		n, err := again.View.ReadAt(t.Context(), again.Ino, buf, 0)
		if err == nil && string(buf[:n]) != strings.Repeat("0000002\n", 10) {
			err = fmt.Errorf("it holds %q", buf[:n])
		}
		return err
	}
	before := descriptors(t)
	for i := range shards {
		check(t, use(i))
	}
	if now := descriptors(t); now > before+3*most {
		t.Errorf("%d descriptors are open, %d before the shards were used", now, before)
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 500 {
				if err := use(r.IntN(shards)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if set.live > most {
		t.Errorf("%d shards are open, at most %d should be", set.live, most)
	}
	// The one used last is still open; the first is not.
	check(t, use(199))
	write(t, names[0], 3, 160, "x")
	for i := 1; i <= most+1; i++ {
		check(t, use(i))
	}
	if err := use(0); !errors.Is(err, store.ErrChanged) || !errors.Is(err, ErrShard) {
		t.Errorf("a shard that was changed between two uses: %v", err)
	}
}

// descriptors returns how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(all)
}

// Of remote shards nothing is asked before one is used. One that is missing fails alone. When the last tenth of one is
// read in order, the next one is opened.
func TestManyRemote(t *testing.T) {
	local := filepath.Join(t.TempDir(), "a.tar")
	write(t, local, 30, 80, "x")
	content, err := os.ReadFile(local)
	check(t, err)
	s := memory.New()
	var names []string
	for i := range 3 {
		names = append(names, fmt.Sprintf("memory://bucket/s%d.tar", i))
		s.Put(names[i], content)
	}
	names = append(names, "memory://bucket/none.tar")
	opened := make(chan string, 10)
	set, err := Many(t.Context(), nil, names, func(ctx context.Context, name string) (*shard.Shard, error) {
		opened <- name
		return shard.Open(ctx, name, shard.Options{Store: s})
	})
	check(t, err)
	defer func() { check(t, set.Close()) }()
	use := func(name string) Entry {
		a, ok := set.Part(name)
		if !ok || a.Mtime.Before(time.Now().Add(-time.Hour)) {
			t.Fatalf("%s: %v, %v", name, ok, a.Mtime)
		}
		e, err := set.Use(t.Context(), a.Ino)
		check(t, err)
		t.Cleanup(e.Release)
		return e
	}
	if len(opened) > 0 {
		t.Errorf("before one is used, %s is opened", <-opened)
	}
	a, _ := set.Part("none")
	if _, err := set.Use(t.Context(), a.Ino); !errors.Is(err, ErrShard) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing shard: %v", err)
	}
	e := use("s0")
	<-opened
	<-opened
	for i := range 30 {
		if i < 27 && len(opened) > 0 {
			t.Errorf("at sample %d, %s is opened", i, <-opened)
		}
		dir, err := e.View.Lookup(Root, fmt.Sprintf("%06d", i))
		check(t, err)
		file, err := e.View.Lookup(dir.Ino, "sample.x")
		check(t, err)
		_, err = e.View.ReadAt(t.Context(), file.Ino, make([]byte, 8), 0)
		check(t, err)
	}
	if next := testtime.Receive(t, opened, "the next shard to be opened"); next != names[1] {
		t.Errorf("at the end of the first shard, %s is opened", next)
	}
}

// A shard that is opened again by another index has other numbers for its files than the kernel knows.
func TestManyOtherIndex(t *testing.T) {
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "a.tar"), filepath.Join(dir, "b.tar")}
	for _, name := range names {
		write(t, name, 3, 80, "x")
	}
	foreign := "one"
	set, err := Many(t.Context(), nil, names, func(ctx context.Context, name string) (*shard.Shard, error) {
		sh, err := shard.Open(ctx, name, shard.Options{})
		if err == nil {
			sh.Foreign = foreign
		}
		return sh, err
	})
	check(t, err)
	defer func() { check(t, set.Close()) }()
	set.limit(1)
	a, _ := set.Part("a")
	b, _ := set.Part("b")
	for _, tt := range []struct {
		foreign string
		want    error
	}{{"one", nil}, {"one", nil}, {"", store.ErrChanged}} {
		foreign = tt.foreign
		e, err := set.Use(t.Context(), a.Ino)
		if !errors.Is(err, tt.want) {
			t.Fatalf("%q: %v, want %v", tt.foreign, err, tt.want)
		}
		e.Release()
		foreign = "one"
		e, err = set.Use(t.Context(), b.Ino) // closes the other one
		check(t, err)
		e.Release()
	}
}

func TestDirName(t *testing.T) {
	for _, tt := range []struct{ shard, want string }{
		{"train-0000.tar", "train-0000"},
		{"a/b/train-0000.tgz", "train-0000"},
		{"train-0000.tar.gz", "train-0000"},
		{"train.v1-0000.tar.zst", "train.v1-0000"}, // dots of the name itself stay
		{"file:///data/x.tgz", "x"},
		{"https://host/data/x.tar?token=1", "x"},
		{"az://account/container/x.tar?sig=1", "x"},
		{"s3://bucket/data/x.tar?y", "x.tar?y"}, // all of it is the key
		{"hf://datasets/org/name@main/data/x.tar", "x"},
		{"https://host/", "host"},
		{"s3://bucket/..", "shard"},
		{"s3://bucket/x\x00y.tar", "shard"},
		{"s3://bucket/" + strings.Repeat("é", 300) + ".tar", strings.Repeat("é", maxName/2)},
		{"s3://bucket/" + strings.Repeat("\xff", 300) + ".tar", "shard"},
		{"data", "data"},
		{".tar", ".tar"},
		{"..tar", "..tar"}, // not "."
		{"...tar", "...tar"},
	} {
		if got := dirName(tt.shard); got != tt.want {
			t.Errorf("dirName(%q) = %q, want %q", tt.shard, got, tt.want)
		}
	}
}

// Numbers, names and places in a listing are consistent.
func TestView(t *testing.T) {
	name := filepath.Join(t.TempDir(), "shard.tar")
	write(t, name, 20, 8, "a", "b")
	v := open(t, name)
	var walk func(dir Ino)
	seen := 0
	walk = func(dir Ino) {
		d, ok := dir.Dir()
		if !ok {
			t.Fatalf("%d is no directory", dir)
		}
		var all []DirEntry
		v.Entries(d, 0, func(e DirEntry) bool { all = append(all, e); return true })
		for i, e := range all {
			seen++
			a, err := v.Lookup(dir, e.Name)
			if err != nil || a.Ino != e.Ino || a.Mode&unix.S_IFMT != e.Mode || v.Attr(e.Ino) != a {
				t.Errorf("%s is %v, %v, but listed as %v", e.Name, a, err, e)
			}
			if parent, name := v.Location(e.Ino); parent != dir || name != e.Name {
				t.Errorf("%s in %d is in %d as %s", e.Name, dir, parent, name)
			}
			var rest []DirEntry
			v.Entries(d, e.Next, func(e DirEntry) bool { rest = append(rest, e); return true })
			if !slices.Equal(rest, all[i+1:]) {
				t.Errorf("after %s come %v, want %v", e.Name, rest, all[i+1:])
			}
			if e.Ino.IsDir() {
				walk(e.Ino)
			}
		}
	}
	walk(Root)
	if seen != 20*5 {
		t.Errorf("%d files and directories", seen)
	}
	if _, err := v.Lookup(Root, index.KeyFile); err != unix.ENOENT {
		t.Errorf("the root has a key: %v", err)
	}
}

// An interrupted read from a store that does not answer is EINTR, not ErrShard.
func TestInterruptedRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "shard.tar")
	write(t, name, 3, 80_000, "a")
	content, err := os.ReadFile(name)
	check(t, err)
	s := memory.New()
	s.Put("memory://shard.tar", content)
	sh, err := shard.Open(t.Context(), "memory://shard.tar", shard.Options{Store: s, NoIndex: true})
	check(t, err)
	defer sh.Close()
	v := New(sh)
	a, err := v.Lookup(DirIno(sh.Index.DirOf(1)), "sample.a")
	check(t, err)
	fault, waiting := memory.Blocked()
	s.SetFault(fault)
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := v.ReadAt(ctx, a.Ino, make([]byte, 100), 0)
		done <- err
	}()
	testtime.Receive(t, waiting, "the read to wait")
	interrupt()
	if err := testtime.Receive(t, done, "the end of the read"); err != unix.EINTR {
		t.Errorf("the read ends with %v", err)
	}
	s.SetFault(nil)
	if n, err := v.ReadAt(t.Context(), a.Ino, make([]byte, 100), 0); n != 100 || err != nil {
		t.Errorf("the next read: %d bytes, %v", n, err)
	}
	s.SetFault(func(context.Context, memory.Read) (int, error) { return 0, unix.EHOSTUNREACH })
	if _, err := v.ReadAt(t.Context(), a.Ino, make([]byte, 100), 0); !errors.Is(err, ErrShard) ||
		!strings.HasPrefix(err.Error(), "memory://shard.tar: read shard: ") {
		t.Errorf("a read whose store fails: %v", err)
	}
}
