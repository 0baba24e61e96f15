package overlay_test

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
)

// What the kernel has forgotten, a tree forgets, but for the changed files and directories of the shard; and what was
// forgotten is found again.
func TestForget(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skipf("SKIPPED, NOT TESTED: %s drops the kernel's caches, which needs root", t.Name())
	}
	if fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %s mounts, and /dev/fuse: %v", t.Name(), err)
	} else {
		unix.Close(fd)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "shard.tar")
	f, err := os.Create(name)
	check(err)
	w := tar.NewWriter(f)
	for i := range 500 {
		check(w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%03d.x", i), Mode: 0o644}))
	}
	check(w.Close())
	check(f.Close())
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(err)
	defer sh.Close()
	s, err := scratch.Create(filepath.Join(dir, "scratch"))
	check(err)
	defer s.Close()
	check(s.Bind(sh, ""))
	o, err := overlay.New(s, sh)
	check(err)
	defer o.Close()
	tree, err := overlay.NewTree(o)
	check(err)
	defer tree.Close()
	mnt := filepath.Join(dir, "mnt")
	check(os.Mkdir(mnt, 0o755))
	server, err := fusefs.MountWritable(tree, mnt, fusefs.Options{})
	check(err)
	defer func() {
		check(server.Unmount())
		server.Wait()
	}()

	walk := func() (n int) {
		t.Helper()
		check(filepath.WalkDir(mnt, func(_ string, _ os.DirEntry, err error) error {
			n++
			return err
		}))
		return n
	}
	if n := walk(); n != 1+500*4 {
		t.Fatalf("%d files and directories", n)
	}
	if n := overlay.Nodes(tree); n != 1 {
		t.Errorf("after all was looked at, the tree keeps %d things, want the root only", n)
	}
	check(os.Mkdir(mnt+"/new", 0o755))
	for i := range 1000 {
		check(os.WriteFile(fmt.Sprintf("%s/new/%d", mnt, i), []byte(fmt.Sprint(i)), 0o644))
	}
	check(os.WriteFile(mnt+"/000/sample.x", []byte("changed"), 0o644))
	held, err := os.Open(mnt + "/new/7")
	check(err)
	defer held.Close()
	full := overlay.Nodes(tree)
	if full < 1000 {
		t.Fatalf("with 1000 new files the tree keeps %d things: the test proves nothing", full)
	}
	dropped := full
	for range 50 {
		check(os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0))
		time.Sleep(20 * time.Millisecond)
		if dropped = overlay.Nodes(tree); dropped < 100 {
			break
		}
	}
	if dropped > full/2 {
		t.Errorf("after the kernel has dropped its caches, the tree keeps %d things of %d", dropped, full)
	}
	for i := range 1000 {
		content, err := os.ReadFile(fmt.Sprintf("%s/new/%d", mnt, i))
		if err != nil || string(content) != fmt.Sprint(i) {
			t.Fatalf("new/%d holds %q, %v", i, content, err)
		}
	}
	if content, err := os.ReadFile(mnt + "/000/sample.x"); err != nil || string(content) != "changed" {
		t.Errorf("000/sample.x holds %q, %v", content, err)
	}
	check(os.RemoveAll(mnt + "/new"))
	if n := walk(); n != 1+500*4 {
		t.Errorf("%d files and directories in the end", n)
	}
}
