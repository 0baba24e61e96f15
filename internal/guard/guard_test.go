package guard

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

func TestMain(m *testing.M) {
	if os.Getenv(Variable) != "" {
		os.Unsetenv(Variable)
		if Serve() != nil {
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(serverVariable); dir != "" {
		if err := serveTest(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

const size = 1 << 20 // bytes, of most shards

// newShard writes a shard of that many bytes, all of them 1.
func newShard(t testing.TB, dir string, size int) string {
	t.Helper()
	name := filepath.Join(dir, "shard.tar")
	if err := os.WriteFile(name, bytes.Repeat([]byte{1}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// startOne guards an open file.
func startOne(ctx context.Context, f *os.File, c Command) (*Guard, error) {
	held, err := Hold(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return Start(ctx, []*File{held}, c)
}

// start guards a shard until the end of the test.
func start(t testing.TB, shard string) *Guard {
	t.Helper()
	f, err := os.Open(shard)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := startOne(t.Context(), f, Command{Args: []string{"of", shard}, Env: os.Environ()})
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
	return g
}

// guarded mounts a guarded shard, and returns the file that EROFS shows.
func guarded(t *testing.T, shard string, size int) (*Guard, string) {
	t.Helper()
	g := start(t, shard)
	mnt := mountOver(t, g.Devices()[0], int64(size))
	if err := g.Opened(mnt); err != nil {
		t.Fatal(err)
	}
	return g, filepath.Join(mnt, "data")
}

// readAt reads a byte, past the cache of EROFS.
func readAt(t *testing.T, name string, off int64) (byte, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM) // without what comes after it
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	b := []byte{0}
	_, err = f.ReadAt(b, off)
	return b[0], err
}

// A writer waits until nothing can be read any more, and no other reader of the shard notices anything.
func TestBreak(t *testing.T) {
	shard := newShard(t, t.TempDir(), size)
	g, data := guarded(t, shard, size)
	if b, err := readAt(t, data, 0); b != 1 || err != nil {
		t.Fatalf("before: %d, %v", b, err)
	}
	if err := g.Opened(filepath.Dir(data)); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if len(g.Broken()) > 0 {
		t.Fatal("broken before it was opened for writing")
	}
	f, err := os.OpenFile(shard, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	testtime.Receive(t, g.Broken(), "the break")
	b := []byte{2}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if b, err := readAt(t, data, 0); !errors.Is(err, unix.EIO) {
		t.Errorf("after: %d, %v, want EIO", b, err)
	}
	if _, err := f.ReadAt(b, 0); err != nil || b[0] != 2 {
		t.Errorf("the writer itself reads %d, %v", b[0], err)
	}
	if all, err := os.ReadFile(shard); err != nil || len(all) != size {
		t.Errorf("another reader of the shard: %d bytes, %v", len(all), err)
	}
}

// Truncating breaks the lease, and so does opening without waiting, which fails.
func TestBreakOtherwise(t *testing.T) {
	for name, change := range map[string]func(shard string) error{
		"truncate": func(shard string) error { return os.Truncate(shard, 1) },
		"create":   func(shard string) error { f, err := os.Create(shard); return errors.Join(err, f.Close()) },
		"nonblock": func(shard string) error {
			_, err := unix.Open(shard, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if !errors.Is(err, unix.EAGAIN) {
				return fmt.Errorf("%v, want EAGAIN", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			shard := newShard(t, t.TempDir(), size)
			g, data := guarded(t, shard, size)
			if err := change(shard); err != nil {
				t.Fatal(err)
			}
			testtime.Receive(t, g.Broken(), "the break")
			if b, err := readAt(t, data, 0); !errors.Is(err, unix.EIO) {
				t.Errorf("%d, %v, want EIO", b, err)
			}
		})
	}
}

// Nothing that leaves the bytes as they are breaks the lease.
func TestUnbroken(t *testing.T) {
	dir := t.TempDir()
	shard := newShard(t, dir, size)
	g, data := guarded(t, shard, size)
	for _, err := range []error{
		os.Chmod(shard, 0o644),
		os.Rename(shard, shard+".old"),
		os.Remove(shard + ".old"),
		os.WriteFile(shard, nil, 0o600), // another file
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if b, err := readAt(t, data, size-1); b != 1 || err != nil || len(g.Broken()) > 0 {
		t.Errorf("%d, %v", b, err)
	}
}

func TestUnguardable(t *testing.T) {
	shard := newShard(t, t.TempDir(), size)
	t.Run("otherwise", func(t *testing.T) { start(t, shard) })
	w, err := os.OpenFile(shard, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(int(w.Fd())); !errors.Is(err, ErrUnguardable) || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("open for writing: %v", err)
	}
	// A mapping counts after its file was closed.
	m, err := unix.Mmap(int(w.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	f, err := os.Open(shard)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Hold(int(f.Fd())); !errors.Is(err, ErrUnguardable) {
		t.Errorf("mapped for writing: %v", err)
	}
	unix.Munmap(m)
	proc, err := os.Open("/proc/version")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	if _, err := Hold(int(proc.Fd())); !errors.Is(err, ErrUnguardable) {
		t.Errorf("a file system without leases: %v", err)
	}
	over := t.TempDir()
	options := "lowerdir=" + filepath.Dir(shard) + ":" + t.TempDir()
	if err := unix.Mount("overlay", over, "overlay", unix.MS_RDONLY, options); err != nil {
		skip.Part(t, "overlayfs: %v", err)
		return
	}
	defer unix.Unmount(over, unix.MNT_DETACH)
	upper, err := os.Open(filepath.Join(over, filepath.Base(shard)))
	if err != nil {
		t.Fatal(err)
	}
	defer upper.Close()
	if _, err := Hold(int(upper.Fd())); !errors.Is(err, ErrUnguardable) {
		t.Errorf("a file that can be written to below overlayfs: %v", err)
	}
}

// A file system that has opened the shard by its own path is not guarded, and said so.
func TestOpenedElsewhere(t *testing.T) {
	shard := newShard(t, t.TempDir(), size)
	g := start(t, shard)
	mnt := mountOver(t, shard, size)
	if err := g.Opened(mnt); err == nil {
		t.Error("no error")
	}
}

// A file opened for writing before the file system was mounted is known then.
func TestBrokenEarly(t *testing.T) {
	shard := newShard(t, t.TempDir(), size)
	g := start(t, shard)
	f, err := os.OpenFile(shard, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mnt := mountOver(t, g.Devices()[0], size)
	if err := g.Opened(mnt); !errors.Is(err, ErrBroken) {
		t.Errorf("%v, want ErrBroken", err)
	}
	if b, err := readAt(t, filepath.Join(mnt, "data"), 0); !errors.Is(err, unix.EIO) {
		t.Errorf("%d, %v, want EIO", b, err)
	}
}
