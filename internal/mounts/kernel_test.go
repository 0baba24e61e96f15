package mounts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// mountWithoutServer mounts overlayfs with a temporary scratch directory over a plain directory, so that no process
// serves it.
func mountWithoutServer(t *testing.T) (s *scratch.Scratch, place string) {
	t.Helper()
	if !overlayfs.MayMount() {
		skip.Without(t, "the right to mount overlayfs")
	}
	work, err := filepath.EvalSymlinks(t.TempDir())
	shardtest.Check(t, err)
	// The test's directory may be on overlayfs, which cannot hold an upper directory.
	shardtest.Check(t, unix.Mount("none", work, "tmpfs", 0, ""))
	t.Cleanup(func() { unix.Unmount(work, unix.MNT_DETACH) })
	place = filepath.Join(work, "mnt")
	lower := filepath.Join(work, "lower")
	shardtest.Check(t, os.Mkdir(place, 0o755))
	shardtest.Check(t, os.Mkdir(lower, 0o755))
	s, err = scratch.CreateTemp(work)
	shardtest.Check(t, err)
	shardtest.Check(t, s.Bind(shardtest.Open(t, "a.x"), place))
	userXattr, err := overlay.PrepareUpper(s)
	shardtest.Check(t, err)
	shardtest.Check(t, overlayfs.Mount(place, overlayfs.Options{
		Lower: lower, Upper: s.Upper(), Work: s.Work(), Source: Source(s.Dir), UserXattr: userXattr,
	}))
	t.Cleanup(func() { unix.Unmount(place, unix.MNT_DETACH) })
	m, _, err := At(place)
	shardtest.Check(t, err)
	shardtest.Check(t, s.SetDevice(m.Device))
	return s, place
}

// release closes a scratch directory and waits until its lock is free: the thread that mounted overlayfs has a copy of
// the open files, which the kernel closes some time after the thread ends.
func release(t *testing.T, s *scratch.Scratch) {
	t.Helper()
	shardtest.Check(t, s.Close())
	shardtest.Check(t, awaitServer(t.Context(), s))
}

// A mount that the kernel serves alone is alive although no process holds its scratch directory.
func TestServedByKernel(t *testing.T) {
	s, place := mountWithoutServer(t)
	shardtest.Check(t, s.SetServedByKernel())
	release(t, s)
	alive := func(after string) {
		t.Helper()
		if _, ok, err := At(place); !ok || err != nil {
			t.Fatalf("after %s the mount is gone: %v", after, err)
		}
		if _, err := os.Stat(s.Upper()); err != nil {
			t.Fatalf("after %s the scratch directory is gone: %v", after, err)
		}
	}
	if left, err := ClearStale(place); len(left) > 0 || err != nil {
		t.Errorf("ClearStale = %v, %v", left, err)
	}
	alive("ClearStale")
	Sweep(filepath.Dir(s.Dir), true, func(err error) { t.Error(err) })
	alive("Sweep")
	held, err := scratch.Create(s.Dir)
	shardtest.Check(t, err)
	if places, err := ClearOthers(held); len(places) > 0 || !errors.Is(err, scratch.ErrInUse) {
		t.Errorf("ClearOthers = %v, %v", places, err)
	}
	shardtest.Check(t, held.Close())
	alive("ClearOthers")
	shardtest.Check(t, os.WriteFile(filepath.Join(place, "change"), nil, 0o644))
	ended := make(chan error, 1)
	go func() { ended <- AwaitEnd(s.Dir) }()
	if err := End(t.Context(), place, true); err != nil {
		t.Error(err)
	}
	if _, ok, err := At(place); ok || err != nil {
		t.Errorf("after End there is a mount: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("AwaitEnd = %v", err)
	}
}

// A mount that needs a server and has none is detached by ClearStale, ClearOthers and End.
func TestServerGone(t *testing.T) {
	for name, clear := range map[string]func(t *testing.T, s *scratch.Scratch, place string) error{
		"ClearStale": func(t *testing.T, _ *scratch.Scratch, place string) error {
			left, err := ClearStale(place)
			if len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			return err
		},
		"ClearOthers": func(t *testing.T, s *scratch.Scratch, place string) error {
			held, err := scratch.Create(s.Dir)
			shardtest.Check(t, err)
			defer held.Close()
			places, err := ClearOthers(held)
			if len(places) != 1 || places[0] != place {
				t.Errorf("cleared: %q", places)
			}
			return err
		},
		"End": func(t *testing.T, _ *scratch.Scratch,
			place string) error {
			return End(t.Context(), place, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, place := mountWithoutServer(t)
			release(t, s)
			if err := clear(t, s, place); err != nil {
				t.Error(err)
			}
			if _, ok, err := At(place); ok || err != nil {
				t.Errorf("the mount is still there: %v", err)
			}
		})
	}
}
