// Package shardtest helps tests to make shards and to examine results. Only tests import it.
package shardtest

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/pack"
)

// Check ends the test at an error, which it reports with the line of its caller.
func Check(t testing.TB, err error) {
	if err == nil {
		return
	}
	t.Helper()
	_, file, line, _ := runtime.Caller(1)
	t.Fatalf("%s:%d: %v", filepath.Base(file), line, err)
}

// NeedRoot skips the test if it does not run as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip.Without(t, "root")
	}
}

// AsUser calls f with the file system permissions of a user who is not root. Dir, a directory of the test, belongs to
// that user. f must not start goroutines. If the test does not run as root, f has the permissions of the test's own
// user.
func AsUser(t testing.TB, dir string, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	Check(t, os.Chmod(filepath.Dir(dir), 0o711))
	Check(t, os.Lchown(dir, nobody, nobody))
	runtime.LockOSThread() // because permissions belong to the thread
	defer runtime.UnlockOSThread()
	unix.SetfsgidRetGid(nobody)
	unix.SetfsuidRetUid(nobody)
	defer unix.SetfsgidRetGid(0)
	defer unix.SetfsuidRetUid(0)
	f()
}

// ModTime returns the modification time of all members that Write writes.
func ModTime() time.Time { return time.Unix(1700000000, 0) }

// Write makes a shard in a directory of the test and returns its name. The content of each member is its name.
func Write(t testing.TB, members ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shard.tar")
	f, err := os.Create(name)
	Check(t, err)
	w := tar.NewWriter(f)
	for _, m := range members {
		Check(t, w.WriteHeader(&tar.Header{Name: m, Size: int64(len(m)), Mode: 0o644, ModTime: ModTime()}))
		_, err := io.WriteString(w, m)
		Check(t, err)
	}
	Check(t, errors.Join(w.Close(), f.Close()))
	return name
}

// Open makes a shard as Write does, opens it, and closes it when the test ends.
func Open(t testing.TB, members ...string) *shard.Shard {
	t.Helper()
	sh, err := shard.Open(t.Context(), Write(t, members...), shard.Options{})
	Check(t, err)
	t.Cleanup(func() { sh.Close() })
	return sh
}

// DirText describes a directory of the view: path and row of each file in it and below, sorted, in one line.
func DirText(f pack.Dir) string {
	var all []string
	for _, file := range f.Files {
		all = append(all, fmt.Sprintf("%s:%d", path.Join(f.Path, file.Name), file.Row))
	}
	for _, sub := range f.Dirs {
		all = append(all, DirText(sub))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
