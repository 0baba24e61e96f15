package fusefs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelOverlay mounts a copy of a mount's changes over its shard by the kernel's overlayfs, and returns the
// mountpoint; "" if that is not possible.
func kernelOverlay(t *testing.T, m *mounted) string {
	t.Helper()
	upper, work := t.TempDir(), t.TempDir()
	out, err := exec.Command("cp", "-a", filepath.Join(m.scratch, "upper")+"/.", upper).CombinedOutput()
	if err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	// Both are on one mount, and neither is in the other, as overlayfs requires.
	return mountOverlay(t, mountShard(t, m.shard, shown).dir, upper, work)
}

// mountOverlay mounts an upper directory over a lower one.
func mountOverlay(t *testing.T, lower, upper, work string) string {
	t.Helper()
	dir := t.TempDir()
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=on,index=off,metacopy=off",
		lower, upper, work)
	if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
		t.Logf("NOT TESTED: that overlayfs reads our changes: mount: %v", err)
		return ""
	}
	t.Cleanup(func() { check(t, unix.Unmount(dir, 0)) })
	return dir
}

// formatMembers has samples, some nested in others, and directories above samples: changes differ between these.
var formatMembers = []member{
	{"a.x", "a x"}, {"a.y", "a y"}, {"a/in.x", "nested"}, {"b.x", "b x"}, {"b.y", "b y"}, {"d/c.x", "c"},
	{"d/e.x", "e"},
	{"d/f/g.x", "g"}, {"h.x", "h"}, {"i.x", "i"}, {"j.x", "j"}, {"k.x", "k"}, {"k/l.x", "l"},
}

// formatChanges are changes of every kind.
const formatChanges = `
echo changed >a/sample.x; rm a/sample.y; echo added >a/sample.z        # files
rm b/sample.x; mkdir b/sample.x; echo in >b/sample.x/file              # a directory for a file
mkdir -p new/deep/er; echo n >new/sample.n; echo d >new/deep/er/sample.d
mv d moved; mkdir d; echo own >d/sample.own                            # a directory above samples replaced by another
mv moved/c outer; mv moved/f/g new/deep/g; echo more >new/deep/g/sample.more
rm -r h; mkdir h; echo fresh >h/sample.fresh                           # a sample deleted and made again
rm -r i; echo file >i                                                  # a file for a sample
mv j j2; mv j2 j                                                       # away and back
rm j/*; mv k/l l; rm k/*; mv j k                                       # over an emptied one
ln a/sample.x a/link; ln -s sample.x a/soft; mkfifo a/fifo
mv a/in a/renamed; mv a z; mv z/renamed z/in
rm -r b; mv new b                                                      # a new directory where a sample was
chmod 700 b; chmod 600 z/sample.x
`

// Overlayfs can read changes made by FUSE: whiteouts, opaque and redirect attributes.
func TestOverlayfsReadsOurs(t *testing.T) {
	needRoot(t)
	m := mountMembers(t, withFUSE, formatMembers...)
	m.sh("", formatChanges)
	dir := kernelOverlay(t, m)
	if dir == "" {
		t.SkipNow()
	}
	if got, want := snapshot(t, dir), snapshot(t, m.dir); got != want {
		t.Errorf("overlayfs shows something else than the mount: %s", difference(got, want))
	}
}

// Changes made by overlayfs can be read in a FUSE mount and by pack.
func TestWeReadOverlayfs(t *testing.T) {
	needRoot(t)
	m := mountMembers(t, withFUSE, formatMembers...)
	base := mountShard(t, m.shard, shown)
	m.stop()
	work := filepath.Join(m.scratch, "work2")
	check(t, os.Mkdir(work, 0o755))
	dir := mountOverlay(t, base.dir, filepath.Join(m.scratch, "upper"), work)
	if dir == "" {
		t.SkipNow()
	}
	cmd := exec.Command("sh", "-ec", formatChanges)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := snapshot(t, dir)
	check(t, unix.Unmount(dir, 0))
	m.start()
	if got := snapshot(t, m.dir); got != want {
		t.Errorf("the mount shows something else than overlayfs: %s", difference(got, want))
	}
	var changes []string
	for c, err := range m.overlay().Changes() {
		check(t, err)
		slash := ""
		if c.Sample {
			slash = "/"
		}
		changes = append(changes, fmt.Sprintf("%c %s%s %s", c.Letter(), c.From, slash, c.Path))
	}
	t.Log(strings.Join(changes, "\n"))
	check(t, unix.Mount("none", dir, "tmpfs", 0, "")) // for the cleanup to unmount
}
