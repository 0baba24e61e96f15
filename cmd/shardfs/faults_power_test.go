package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// disk is an ext4 file system in a file, for which a power cut can be simulated.
type disk struct {
	*place
	image string
	at    string
}

// mount mounts the disk; after a power cut with the data that had reached it.
func (d *disk) mount() error {
	out, err := exec.Command("mount", "-o", "loop", d.image, d.at).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("mount %s: %w: %s", d.image, err, out)
	}
	return err
}

func (d *disk) unmount() { d.must(unix.Unmount(d.at, 0)) }

// cutAfter cuts the power after a delay: from then on nothing is written, not even the journal. Wait waits for the cut.
func (d *disk) cutAfter(delay time.Duration) (wait func()) {
	d.t.Helper()
	const shutdown, noLogFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	f, err := os.Open(d.at)
	d.must(err)
	done := make(chan error)
	time.AfterFunc(delay, func() { done <- unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush) })
	return func() {
		d.t.Helper()
		d.must(<-done)
		d.must(f.Close())
	}
}

// enterMountNamespace gives this goroutine, and the processes it starts, a mount namespace of their own. Otherwise the
// mounts of this test would be copied into the namespaces of other runs, and stay there.
func enterMountNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err != nil {
		skip.Without(t, "a mount namespace: %v", err)
	}
}

// TestPowerCut cuts the power during runs. Afterwards the outputs of runs that had succeeded are there, and others are
// absent or whole.
func TestPowerCut(t *testing.T) {
	needsRoot(t)
	enterMountNamespace(t)
	p := newPlace(t, someSamples(t, 20, 20_000))
	d := &disk{p, p.path("image"), p.path("disk")}
	p.must(os.Mkdir(d.at, 0o700))
	defer unix.Unmount(d.at, unix.MNT_DETACH)
	command := func(out string) []string {
		return []string{"run", "-q", "-j", "2", "--workspace", "dir", "-c", "cksum sample.bin >sample.sum",
			"in.tar", "-o", out}
	}
	if r := p.run(fault{}, command("out/out.tar")...); r.status != 0 {
		t.Fatal(r.stderr)
	}
	whole, err := os.ReadFile(p.path("out/out.tar"))
	p.must(err)

	random := rand.New(rand.NewPCG(3, 4))
	interrupted, kept := 0, 0
	for range manyOrFew(50, 2) {
		p.must(os.WriteFile(d.image, nil, 0o600))
		p.must(os.Truncate(d.image, 64<<20))
		if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
			skip.Without(t, "mkfs.ext4: %v %s", err, out)
		}
		if err := d.mount(); err != nil {
			skip.Without(t, "loop devices: %v", err)
		}
		// Every other output replaces the one before.
		acknowledged, last := map[string]bool{}, ""
		var cut func()
		for n := 0; ; n++ {
			if last = filepath.Join(d.at, "same.tar"); n%2 == 0 {
				last = filepath.Join(d.at, fmt.Sprintf("%d.tar", n))
			}
			r := p.run(fault{}, command(last)...)
			if p.speaks(r); r.status != 0 && cut == nil {
				t.Fatal(r.stderr)
			} else if r.status != 0 {
				interrupted++
				break
			}
			if acknowledged[last] = true; cut == nil {
				cut = d.cutAfter(time.Duration(random.IntN(250)) * time.Millisecond)
			}
		}
		cut()
		d.unmount()

		p.must(d.mount())
		for name := range acknowledged {
			if got, err := os.ReadFile(name); !bytes.Equal(got, whole) {
				t.Errorf("the run to %s had succeeded, but it has %d bytes of %d: %v", name, len(got), len(whole), err)
			}
			kept++
		}
		if got, err := os.ReadFile(last); !errors.Is(err, fs.ErrNotExist) && !bytes.Equal(got, whole) {
			t.Errorf("the run to %s was interrupted, but it has %d bytes of %d: %v", last, len(got), len(whole), err)
		}
		again := p.run(fault{}, command(last)...)
		p.keeps(again, promise{out: last, whole: whole})
		if left, _ := filepath.Glob(filepath.Join(d.at, ".*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		d.unmount()
	}
	t.Logf("%d runs interrupted, %d runs succeeded", interrupted, kept)
}
