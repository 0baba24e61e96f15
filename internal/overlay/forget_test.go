package overlay_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// A tree forgets what the kernel has forgotten, except changed files and directories of the shard; forgotten files can
// be looked up again.
func TestForget(t *testing.T) {
	shardtest.NeedRoot(t) // to drop the kernel's caches
	if fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		skip.Without(t, "/dev/fuse: %v", err)
	} else {
		unix.Close(fd)
	}
	const samples, added = 100, 300
	members := make([]string, samples)
	for i := range members {
		members[i] = fmt.Sprintf("%03d.x", i)
	}
	tree := newTree(t, members...)
	mnt := t.TempDir()
	server, err := fusefs.MountWritable(tree, mnt, fusefs.Options{})
	shardtest.Check(t, err)
	defer func() {
		shardtest.Check(t, server.Unmount())
		server.Wait()
	}()

	refusePolls(t, mnt+"/000/__key__")

	walk := func() (n int) {
		t.Helper()
		shardtest.Check(t, filepath.WalkDir(mnt, func(_ string, _ os.DirEntry, err error) error {
			n++
			return err
		}))
		return n
	}
	if n := walk(); n != 1+samples*4 {
		t.Fatalf("%d files and directories", n)
	}
	testtime.Eventually(t, "the tree to keep no node but the root", func() bool { return overlay.Nodes(tree) == 1 })
	shardtest.Check(t, os.Mkdir(mnt+"/new", 0o755))
	for i := range added {
		shardtest.Check(t, os.WriteFile(fmt.Sprintf("%s/new/%d", mnt, i), []byte(fmt.Sprint(i)), 0o644))
	}
	shardtest.Check(t, os.WriteFile(mnt+"/000/sample.x", []byte("changed"), 0o644))
	held, err := os.Open(mnt + "/new/7")
	shardtest.Check(t, err)
	defer held.Close()
	full := overlay.Nodes(tree)
	if full < added {
		t.Fatalf("with %d new files the tree keeps %d nodes: the test proves nothing", added, full)
	}
	testtime.Eventually(t, "the tree to forget what the kernel drops from its caches", func() bool {
		shardtest.Check(t, os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0))
		return overlay.Nodes(tree) < full/2
	})
	for i := range added {
		content, err := os.ReadFile(fmt.Sprintf("%s/new/%d", mnt, i))
		if err != nil || string(content) != fmt.Sprint(i) {
			t.Fatalf("new/%d holds %q, %v", i, content, err)
		}
	}
	if content, err := os.ReadFile(mnt + "/000/sample.x"); err != nil || string(content) != "changed" {
		t.Errorf("000/sample.x holds %q, %v", content, err)
	}
	shardtest.Check(t, os.RemoveAll(mnt+"/new"))
	if n := walk(); n != 1+samples*4 {
		t.Errorf("%d files and directories in the end", n)
	}
}

// refusePolls makes the kernel send the mount's only POLL request, to which the reply is ENOSYS. Otherwise the kernel
// would send it when package os opens the first file and adds it to the runtime's epoll set, in a system call that
// keeps its processor: a garbage collection would then wait for the call, and the call for this process.
func refusePolls(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	shardtest.Check(t, err)
	defer unix.Close(fd)
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	shardtest.Check(t, err)
}

// newTree returns the tree of a shard with these members over a new scratch directory.
func newTree(t *testing.T, members ...string) *overlay.Tree {
	t.Helper()
	sh := shardtest.Open(t, members...)
	s, err := scratch.Create(filepath.Join(t.TempDir(), "scratch"))
	shardtest.Check(t, err)
	t.Cleanup(func() { s.Close() })
	shardtest.Check(t, s.Bind(sh, ""))
	o, err := overlay.New(s, sh)
	shardtest.Check(t, err)
	t.Cleanup(func() { o.Close() })
	tree, err := overlay.NewTree(o)
	shardtest.Check(t, err)
	t.Cleanup(func() { tree.Close() })
	return tree
}
