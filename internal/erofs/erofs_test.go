package erofs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/view"
)

func check(t testing.TB, err error) {
	if err == nil {
		return
	}
	t.Helper()
	t.Fatal(err)
}

// shardTime is the time of most members of the tests.
func shardTime() time.Time { return time.Unix(1_700_000_000, 0) }

// member is a member of a shard to write.
type member struct {
	name    string
	content string
	mtime   time.Time
}

// some returns members with these names, each with its name as content.
func some(names ...string) (all []member) {
	for _, name := range names {
		all = append(all, member{name, name, shardTime()})
	}
	return all
}

// write writes a shard.
func write(t testing.TB, name string, members []member) {
	t.Helper()
	f, err := os.Create(name)
	check(t, err)
	w := tar.NewWriter(f)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o644, ModTime: m.mtime}
		if m.mtime.Nanosecond() != 0 {
			h.Format = tar.FormatPAX
		}
		check(t, w.WriteHeader(h))
		_, err := io.WriteString(w, m.content)
		check(t, err)
	}
	check(t, errors.Join(w.Close(), f.Close()))
}

// open returns the view of a shard.
func open(t testing.TB, name string) *view.View {
	t.Helper()
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, sh.Close()) })
	return view.New(sh)
}

// viewOf writes and opens a shard.
func viewOf(t testing.TB, members []member) *view.View {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shard.tar")
	write(t, name, members)
	return open(t, name)
}

// imageOf returns the image of a view.
func imageOf(t testing.TB, v *view.View, o Options) *Image {
	t.Helper()
	m, err := New(v, o)
	check(t, err)
	return m
}

// needErofs skips a test where EROFS cannot be mounted, and returns a directory for images. A tmpfs cannot have them.
func needErofs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		skip.Without(t, "root, to mount")
	}
	dir := t.TempDir()
	v := viewOf(t, some("a.txt"))
	mnt := filepath.Join(dir, "mnt")
	check(t, os.Mkdir(mnt, 0o700))
	names := filepath.Join(dir, "probe")
	writeImage(t, names, imageOf(t, v, Options{}))
	err := Mount(mnt, MountOptions{Names: names, Devices: []string{v.Shard.Path()}})
	if errors.Is(err, ErrUnavailable) {
		skip.Without(t, "EROFS of files: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	check(t, unix.Unmount(mnt, 0))
	return dir
}

// writeImage writes an image to a file, with holes where it has zeros. Of areas in which directories and keys have room
// for more than they need it reads what is used.
func writeImage(t testing.TB, name string, m *Image) {
	t.Helper()
	f, err := os.Create(name)
	check(t, err)
	check(t, f.Truncate(m.Size()))
	zeros := make([]byte, 1<<20)
	for _, a := range m.areas {
		stride := int64(1) // units after which something else begins
		switch a.at {
		case m.at.few:
			stride = m.few
		case m.at.keys:
			stride = m.keyed / BlockSize
		}
		unit := make([]byte, a.unit)
		for u := int64(0); u < a.units; {
			_, err := m.ReadAt(unit, a.at+u*a.unit)
			check(t, err)
			if bytes.Equal(unit, zeros[:a.unit]) {
				u += stride - u%stride
				continue
			}
			_, err = f.WriteAt(unit, a.at+u*a.unit)
			check(t, err)
			u++
		}
	}
	check(t, f.Close())
}

// writeBytes writes the device of an image to a file, with holes.
func writeBytes(t testing.TB, name string, m *Image) {
	t.Helper()
	f, err := os.Create(name)
	check(t, err)
	b := m.Bytes()
	check(t, f.Truncate(b.Size()))
	buf, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < b.Size(); {
		n, err := b.ReadAt(t.Context(), buf, off)
		if err != nil && err != io.EOF || n == 0 {
			t.Fatalf("%d bytes at %d: %v", n, off, err)
		}
		if !bytes.Equal(buf[:n], zeros[:n]) {
			_, err := f.WriteAt(buf[:n], off)
			check(t, err)
		}
		off += int64(n)
	}
	check(t, f.Close())
}

// mounted mounts an image until the test ends, with a device; "" means a copy of Bytes. In is a directory of needErofs.
func mounted(t *testing.T, in string, m *Image, device string) string {
	t.Helper()
	dir, err := os.MkdirTemp(in, "image")
	check(t, err)
	names, mnt := filepath.Join(dir, "names"), filepath.Join(dir, "mnt")
	writeImage(t, names, m)
	if device == "" {
		device = filepath.Join(dir, "bytes")
		writeBytes(t, device, m)
	}
	check(t, os.Mkdir(mnt, 0o700))
	check(t, Mount(mnt, MountOptions{Names: names, Devices: []string{device}}))
	t.Cleanup(func() {
		check(t, unix.Unmount(mnt, 0))
		check(t, os.RemoveAll(dir))
	})
	return mnt
}

// compare compares what a directory shows with a view: all names, attributes and contents.
func compare(t *testing.T, dir string, v *view.View, o Options) {
	t.Helper()
	mode := o.Mode
	if mode == 0 {
		mode = 0o700
	}
	root := v.Attr(view.Root)
	root.Mode = unix.S_IFDIR | mode
	compareAttr(t, dir, root)
	compareDir(t, dir, v, index.Root)
}

func compareDir(t *testing.T, dir string, v *view.View, d index.Dir) {
	t.Helper()
	if len(dir) > 3500 {
		return // what is in it has paths that are too long
	}
	want := make(map[string]view.DirEntry)
	v.Entries(d, 0, func(e view.DirEntry) bool {
		want[e.Name] = e
		return true
	})
	f, err := os.Open(dir)
	check(t, err)
	got, err := f.ReadDir(-1)
	check(t, errors.Join(err, f.Close()))
	if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b os.DirEntry) int {
		return strings.Compare(a.Name(), b.Name())
	}) {
		t.Errorf("%s: it lists %d names, want %d, in order", dir, len(got), len(want))
	}
	for _, g := range got {
		w, ok := want[g.Name()]
		if name := filepath.Join(dir, g.Name()); !ok || g.IsDir() != w.Ino.IsDir() {
			t.Errorf("%s: %v is not in the view, or of another type", name, g)
			continue
		}
	}
	for name, w := range want {
		path := filepath.Join(dir, name)
		compareAttr(t, path, v.Attr(w.Ino))
		if t.Failed() {
			t.FailNow()
		}
		if d, ok := w.Ino.Dir(); ok {
			compareDir(t, path, v, d)
		} else {
			compareContent(t, path, v, w.Ino)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "no such name")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: a missing name: %v", dir, err)
	}
}

// compareAttr compares the attributes of a file, except for sizes of directories.
func compareAttr(t *testing.T, name string, want view.Attr) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	type attr struct {
		mode, uid, gid, nlink uint32
		size                  int64
		atime, mtime, ctime   unix.Timespec
	}
	seconds := unix.Timespec{Sec: want.Mtime.Unix(), Nsec: int64(want.Mtime.Nanosecond())}
	w := attr{want.Mode, want.Uid, want.Gid, want.Nlink, want.Size, seconds, seconds, seconds}
	g := attr{st.Mode, st.Uid, st.Gid, uint32(st.Nlink), st.Size, st.Atim, st.Mtim, st.Ctim}
	if want.Ino.IsDir() {
		g.size = w.size
	}
	if g != w {
		t.Errorf("%s: attributes %+v, want %+v", name, g, w)
	}
}

// compareContent compares the content of a file: all of it, or both ends of a large one.
func compareContent(t *testing.T, name string, v *view.View, ino view.Ino) {
	t.Helper()
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	const most = 4 << 20
	size := v.Attr(ino).Size
	for _, off := range slices.Compact([]int64{0, max(size-most, 0)}) {
		got, want := make([]byte, min(size+1, most)), make([]byte, min(size+1, most))
		n, err := f.ReadAt(got, off)
		if err != nil && err != io.EOF {
			t.Fatalf("%s at %d: %v", name, off, err)
		}
		k, err := v.ReadAt(context.Background(), ino, want, off)
		check(t, err)
		if !bytes.Equal(got[:n], want[:k]) {
			t.Errorf("%s: %d bytes at %d differ, want %d", name, n, off, k)
		}
	}
}

func TestMount(t *testing.T) {
	in := needErofs(t)
	var photos, many []member
	for i := range 1000 {
		key := fmt.Sprintf("%06d", i)
		photos = append(photos, some(key+".jpg", key+".cls", key+".json")...)
		many = append(many, some(fmt.Sprintf("s.%d", i), fmt.Sprintf("s.%d.txt", 999-i))...)
	}
	shuffled := slices.Clone(photos)
	slices.Reverse(shuffled)
	for _, tt := range []struct {
		name    string
		members []member
	}{
		{"empty", nil},
		{"one", some("a.txt")},
		{"photos", photos},
		{"keys descend", shuffled},
		{"a large sample", slices.Concat(some("a.txt"), many, some("t.txt"))},
	} {
		for _, o := range []Options{{}, {Mode: 0o755, Extended: true}} {
			t.Run(fmt.Sprintf("%s/%+v", tt.name, o), func(t *testing.T) {
				v := viewOf(t, tt.members)
				m := imageOf(t, v, o)
				compare(t, mounted(t, in, m, v.Shard.Path()), v, o)
			})
		}
	}
}

// TestReadAt compares reads of parts of an image with a read of whole units, at random places and around the borders of
// areas.
func TestReadAt(t *testing.T) {
	for name, members := range map[string][]member{
		"flat":   some("b.txt", "a.txt", "a.cls", "c.txt"),
		"nested": nested(),
	} {
		t.Run(name, func(t *testing.T) {
			m := imageOf(t, viewOf(t, members), Options{})
			for range 300 {
				a := m.areas[rand.IntN(len(m.areas))]
				off := min(max(0, a.at+rand.Int64N(1<<16)-1<<15), m.size)
				if rand.IntN(2) == 0 {
					off = rand.Int64N(m.size)
				}
				want := make([]byte, rand.IntN(40_000))
				n, err := m.ReadAt(want, off)
				if err != nil && err != io.EOF || int64(n) != min(int64(len(want)), m.size-off) {
					t.Fatalf("%d of %d bytes at %d: %v", n, len(want), off, err)
				}
				got := make([]byte, 0, n)
				for len(got) < n {
					part := make([]byte, min(n-len(got), 1+rand.IntN(3000)))
					k, err := m.ReadAt(part, off+int64(len(got)))
					check(t, err)
					got = append(got, part[:k]...)
				}
				if !bytes.Equal(got, want[:n]) {
					t.Fatalf("%d bytes at %d differ in parts", n, off)
				}
			}
			if n, err := m.ReadAt(make([]byte, 10), m.Size()); n != 0 || err != io.EOF {
				t.Errorf("at the end: %d, %v", n, err)
			}
			if n, err := m.ReadAt(make([]byte, 10), -1); n != 0 || err == nil {
				t.Errorf("before the beginning: %d, %v", n, err)
			}
		})
	}
}
