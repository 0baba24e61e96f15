package erofs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/view"
)

// top describes the root of many shards in tests.
func top() view.Attr {
	at := shardTime()
	return view.Attr{
		Ino: view.Root, Mode: unix.S_IFDIR | 0o755, Nlink: 1, Uid: 12, Gid: 34, Atime: at, Mtime: at, Ctime: at,
	}
}

// partOf returns a part with the view of a shard.
func partOf(name string, v *view.View, verify bool) Part {
	root := top()
	root.Mtime = root.Mtime.Add(1) // a long inode
	root.Atime, root.Ctime = root.Mtime, root.Mtime
	return Part{Name: name, Root: root, View: v, Verify: verify}
}

// servedMany mounts the image of many shards until the test ends. Those shards with a device are read there, the others
// by Bytes.
func servedMany(t *testing.T, parts []Part, devices []string, o Options) string {
	t.Helper()
	m, err := NewMany(top(), parts, o)
	check(t, err)
	in := t.TempDir()
	plain, mnt := filepath.Join(in, "plain"), filepath.Join(in, "mnt")
	check(t, errors.Join(os.Mkdir(plain, 0o700), os.Mkdir(mnt, 0o700)))
	files := []fusefs.NamedFile{{Name: "names", File: m.Names()}}
	devices = slices.Clone(devices)
	for i, p := range m.Images() {
		name := fmt.Sprintf("bytes-%d", i)
		files = append(files, fusefs.NamedFile{Name: name, File: p.Bytes()})
		if devices[i] == "" {
			devices[i] = filepath.Join(plain, name)
		}
	}
	s, err := fusefs.MountFiles(files, plain, fusefs.Options{})
	if err != nil {
		skip.Without(t, "FUSE: %v", err)
	}
	err = Mount(mnt, MountOptions{Names: filepath.Join(plain, "names"), Devices: devices})
	check(t, errors.Join(unix.Unmount(plain, unix.MNT_DETACH), err))
	t.Cleanup(func() {
		check(t, unix.Unmount(mnt, unix.MNT_DETACH))
		s.Wait()
	})
	return mnt
}

// comparePart compares the directory of a part with its view.
func comparePart(t *testing.T, mnt string, p Part) {
	t.Helper()
	dir := filepath.Join(mnt, p.Name)
	compareAttr(t, dir, p.Root)
	compareDir(t, dir, p.View, index.Root)
}

func TestMany(t *testing.T) {
	needErofs(t)
	var photos []member
	for i := range 500 {
		photos = append(photos, some(fmt.Sprintf("%06d.jpg", i), fmt.Sprintf("%06d.cls", i))...)
	}
	var parts []Part
	var devices []string
	for i, members := range [][]member{some("a.txt", "b.txt"), photos, nested(), nil, photos, some("a.txt")} {
		v, inShard := viewOf(t, members), i%2 == 0
		parts = append(parts, partOf(fmt.Sprintf("shard-%d", 9-i), v, inShard))
		devices = append(devices, "")
		if inShard {
			devices[i] = v.Shard.Path()
		}
	}
	mnt := servedMany(t, parts, devices, Options{Mode: 0o755})
	root := top()
	compareAttr(t, mnt, root)
	got, err := os.ReadDir(mnt)
	check(t, err)
	if len(got) != len(parts) || got[0].Name() != "shard-4" {
		t.Errorf("%d directories, the first is %v", len(got), got[0])
	}
	for _, p := range parts {
		comparePart(t, mnt, p)
	}
	var up, st unix.Stat_t
	check(t, errors.Join(unix.Stat(filepath.Join(mnt, "shard-9", ".."), &up), unix.Stat(mnt, &st)))
	if up.Ino != st.Ino {
		t.Errorf("above the directory of a shard is %d, want %d", up.Ino, st.Ino)
	}
}

// So many shards have heads of devices and a root that are larger than blocks, and names that are long.
func TestManyMany(t *testing.T) {
	needErofs(t)
	v := viewOf(t, some("a.txt", "b.txt"))
	var parts []Part
	for i := range 600 {
		name := fmt.Sprintf("%06d-%0*d", i, i%200+1, 0)
		parts = append(parts, partOf(name, v, true))
	}
	devices := slices.Repeat([]string{v.Shard.Path()}, len(parts))
	mnt := servedMany(t, parts, devices, Options{Extended: true})
	for i := 0; i < len(parts); i += 37 {
		comparePart(t, mnt, parts[i])
	}
}

// An error of one shard is not one of the others.
func TestManyBroken(t *testing.T) {
	needErofs(t)
	var parts []Part
	for i := range 3 {
		parts = append(parts, partOf(fmt.Sprint(i), viewOf(t, some("a.txt")), true))
	}
	mnt := servedMany(t, parts, make([]string, 3), Options{})
	write(t, parts[1].View.Shard.Path(), some("other.txt", "b.txt"))
	if got, err := os.ReadFile(filepath.Join(mnt, "1/a/sample.txt")); err == nil {
		t.Errorf("of a shard that was changed: %q", got)
	}
	comparePart(t, mnt, parts[0])
	comparePart(t, mnt, parts[2])
}

func TestManyUnsuited(t *testing.T) {
	v := viewOf(t, some("a.txt"))
	for name, parts := range map[string][]Part{
		"none":     nil,
		"one name": {partOf("a", v, false), partOf("a", v, false)},
		"too many": make([]Part, MostShards+1),
	} {
		if _, err := NewMany(top(), parts, Options{}); !errors.Is(err, ErrUnsuited) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
