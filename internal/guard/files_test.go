package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// guardedFiles mounts guarded shards, and returns the files that EROFS shows.
func guardedFiles(t *testing.T, shards []string) (*Guard, []string) {
	t.Helper()
	var files []*File
	for _, shard := range shards {
		f, err := os.Open(shard)
		if err != nil {
			t.Fatal(err)
		}
		held, err := Hold(int(f.Fd()))
		f.Close()
		if errors.Is(err, ErrUnguardable) && os.Geteuid() != 0 {
			skip.Without(t, "root: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, held)
	}
	g, err := Start(t.Context(), files, Command{Env: os.Environ()})
	if errors.Is(err, ErrUnguardable) && os.Geteuid() != 0 {
		skip.Without(t, "root: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	mnt := mountOverAll(t, g.Devices(), size)
	if err := g.Opened(mnt); err != nil {
		t.Fatal(err)
	}
	var shown []string
	for i := range shards {
		shown = append(shown, filepath.Join(mnt, dataName(i)))
	}
	return g, shown
}

// newShards writes some shards.
func newShards(t *testing.T, n int) (shards []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		in := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(in, 0o700); err != nil {
			t.Fatal(err)
		}
		shards = append(shards, newShard(t, in, size))
	}
	return shards
}

// One of many files that is opened for writing is denied, and no other; a killed guardian is replaced by one that knows
// which.
func TestBreakOne(t *testing.T) {
	shards := newShards(t, 5)
	g, data := guardedFiles(t, shards)
	write := func(i int) {
		t.Helper()
		if err := os.WriteFile(shards[i], slices.Repeat([]byte{2}, size), 0); err != nil {
			t.Fatal(err)
		}
		if got := testtime.Receive(t, g.Broken(), "the break"); got != i {
			t.Errorf("file %d is broken, want %d", got, i)
		}
	}
	var broken []int
	check := func() {
		t.Helper()
		for i, name := range data {
			b, err := readAt(t, name, size/2)
			if slices.Contains(broken, i) {
				if !errors.Is(err, unix.EIO) {
					t.Errorf("file %d: %d, %v, want EIO", i, b, err)
				}
			} else if b != 1 || err != nil {
				t.Errorf("file %d: %d, %v", i, b, err)
			}
		}
	}
	check()
	for _, i := range []int{3, 0} {
		write(i)
		broken = append(broken, i)
		check()
		old := g.current()
		old.cmd.Process.Kill()
		testtime.Eventually(t, "another guardian", func() bool { return g.current() != old })
		check()
	}
	if err := g.Opened(filepath.Dir(data[0])); !errors.Is(err, ErrBroken) {
		t.Errorf("opened elsewhere: %v, want ErrBroken", err)
	}
	check()
	if len(g.Broken()) > 0 {
		t.Error("another file is broken")
	}
}

// Files that are opened for writing at the same time are denied together.
func TestBreakAll(t *testing.T) {
	shards := newShards(t, 6)
	g, data := guardedFiles(t, shards)
	errs := make(chan error)
	for _, shard := range shards {
		go func() { errs <- os.WriteFile(shard, make([]byte, size), 0) }()
	}
	var all []int
	for range shards {
		if err := <-errs; err != nil {
			t.Error(err)
		}
		all = append(all, testtime.Receive(t, g.Broken(), "the break"))
	}
	if slices.Sort(all); !slices.Equal(all, []int{0, 1, 2, 3, 4, 5}) {
		t.Errorf("broken: %v", all)
	}
	for i, name := range data {
		if b, err := readAt(t, name, 0); !errors.Is(err, unix.EIO) {
			t.Errorf("file %d: %d, %v, want EIO", i, b, err)
		}
	}
}

// A file may be among the guarded ones twice.
func TestSameFile(t *testing.T) {
	shard := newShards(t, 1)[0]
	g, data := guardedFiles(t, []string{shard, shard})
	if err := os.WriteFile(shard, make([]byte, size), 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range data {
		testtime.Receive(t, g.Broken(), "the break")
		if b, err := readAt(t, name, 0); !errors.Is(err, unix.EIO) {
			t.Errorf("%d, %v, want EIO", b, err)
		}
	}
}

// A file that a File was taken of stays as it is until that is closed.
func TestHold(t *testing.T) {
	f, err := os.Open(newShards(t, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	held, err := Hold(int(f.Fd()))
	if err != nil {
		skip.Without(t, "leases: %v", err)
	}
	open := func() error {
		fd, err := unix.Open(f.Name(), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	if err := open(); err != unix.EAGAIN {
		t.Errorf("%v, want EAGAIN", err)
	}
	if err := errors.Join(held.Close(), open()); err != nil {
		t.Error(err)
	}
}

// While one of many files is overwritten, reads of the others go on, no read of it has a byte that was written, and the
// writer does not wait for reads of the others.
func TestStressOne(t *testing.T) {
	shards := newShards(t, 4)
	const broken = 1
	_, data := guardedFiles(t, shards)
	var shown [4]*os.File
	for i, name := range data {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		shown[i] = f
	}
	var of, others tally
	var readers, warm sync.WaitGroup
	written := make(chan struct{})
	for range 4 {
		warm.Add(1)
		readers.Go(func() {
			round := func() {
				for i, f := range shown {
					c := &others
					if i == broken {
						c = &of
					}
					c.read(t, int(f.Fd()), int(f.Fd()), size)
				}
			}
			for range 50 {
				round()
			}
			warm.Done()
			for !isClosed(written) {
				round()
			}
			for range 50 {
				round()
			}
		})
	}
	warm.Wait()
	begin := time.Now()
	w, err := os.OpenFile(shards[broken], os.O_RDWR, 0)
	waited := time.Since(begin)
	if err == nil {
		_, err = w.WriteAt(slices.Repeat([]byte{2}, size), 0)
		err = errors.Join(err, w.Sync(), w.Close())
	}
	close(written)
	readers.Wait()
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d reads right, %d denied; of others %d; the writer waited %v",
		of.right.Load(), of.denied.Load(), others.right.Load(), waited)
	if of.wrong.Load() != 0 || of.denied.Load() == 0 || others.denied.Load() != 0 || others.wrong.Load() != 0 {
		t.Errorf("%d reads have other bytes, %d were denied; of the other files %d and %d",
			of.wrong.Load(), of.denied.Load(), others.wrong.Load(), others.denied.Load())
	}
}
