package mounts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/view"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	mount := func(place, kind, source string, ours bool) []Mount {
		return []Mount{{36, "0:50", true, place, kind, source, ours}}
	}
	for _, tt := range []struct {
		line string
		want []Mount
	}{
		{`36 35 0:50 / /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw`, mount("/mnt", "ext4", "/dev/sda1", false)},
		{`36 35 0:50 / /mnt rw - fuse.shardfs /tmp/s rw`, mount("/mnt", "fuse.shardfs", "/tmp/s", true)},
		{`36 35 0:50 / /mnt rw a:1 b:2 - overlay shardfs:/tmp/s rw`, mount("/mnt", "overlay", "/tmp/s", true)},
		{`36 35 0:50 / /mnt rw - overlay overlay rw`, mount("/mnt", "overlay", "overlay", false)},
		{`36 35 0:50 / /mnt rw - nfs4 shardfs:/export rw`, mount("/mnt", "nfs4", "shardfs:/export", false)},
		{`36 35 0:50 / /mnt rw - tmpfs  rw`, mount("/mnt", "tmpfs", "", false)},
		{`36 35 0:50 / /a\040b\011c\012d\134e\043f rw - tmpfs - rw`, mount("/a b\tc\nd\\e#f", "tmpfs", "-", false)},
		{`36 35 0:50 / /\134040 rw - tmpfs none rw`, mount(`/\040`, "tmpfs", "none", false)},
		{`36 35 0:50 / /a\9 rw - tmpfs none rw`, mount(`/a\9`, "tmpfs", "none", false)},
		{"36 35 0:50 / /\xff\xfe\u00e9 rw - tmpfs \x80 rw", mount("/\xff\xfe\u00e9", "tmpfs", "\x80", false)},
		{`36 35 0:50 / /mnt rw - overlay none rw,lowerdir=` + long, mount("/mnt", "overlay", "none", false)},
		{`36 35 0:50 /a /b rw - fuse.shardfs /s rw`, []Mount{{36, "0:50", false, "/b", "fuse.shardfs", "/s", true}}},
		{`x 35 0:50 / /mnt rw - tmpfs none rw`, nil},
		{`36 35 0:50 /`, nil},
		{``, nil},
	} {
		const before, after = "1 0 0:1 / / rw - tmpfs none rw\n", "\n2 0 0:1 / /after rw - tmpfs none rw\n"
		want := slices.Concat([]Mount{{1, "0:1", true, "/", "tmpfs", "none", false}}, tt.want,
			[]Mount{{2, "0:1", true, "/after", "tmpfs", "none", false}})
		if got := parse(before + tt.line + after); !slices.Equal(got, want) {
			t.Errorf("%.100q is %+v, want %+v", tt.line, got, want)
		}
	}
}

// A mount that has got the number of a device after another one is not taken for a further place of that.
func TestPlacesOf(t *testing.T) {
	table := parse("1 0 0:50 / /a rw - overlay shardfs:/s rw\n" +
		"2 0 0:50 / /b rw - overlay shardfs:/s rw\n" +
		"3 0 0:50 / /c rw - overlay shardfs:/other rw\n" +
		"4 0 0:51 / /d rw - overlay shardfs:/s rw\n" +
		"5 0 0:50 / /e rw - overlay /s rw\n")
	got := placesOf(table, Mount{Device: "0:50", Source: "/s"})
	if !slices.Equal(got, table[:2]) {
		t.Errorf("%+v", got)
	}
}

// The kernel and At agree on names of every kind.
func TestAt(t *testing.T) {
	for _, name := range []string{
		"plain", "a b", "a\tb", "a\nb", `a\b`, `\040`, `a\`, "a#b", "\xff\xfe", "\u00e9", "a\rb", " - ",
		strings.Repeat("\n", 255),
	} {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if m, ok, err := At(dir); m != (Mount{}) || ok || err != nil {
			t.Errorf("before it is mounted, At(%q) = %+v, %v, %v", name, m, ok, err)
		}
		if err := unix.Mount(name, dir, "tmpfs", 0, ""); err != nil {
			skip.Without(t, "the right to mount: %v", err)
		}
		m, ok, err := At(dir)
		if want := (Mount{m.ID, m.Device, true, dir, "tmpfs", name, false}); m != want || ok || err != nil {
			t.Errorf("At(%q) = %+v, %v, %v", name, m, ok, err)
		}
		if err := Unmount(dir, false); err != nil {
			t.Error(err)
		}
		if m, ok, err := At(dir); m != (Mount{}) || ok || err != nil {
			t.Errorf("after it was unmounted, At(%q) = %+v, %v, %v", name, m, ok, err)
		}
	}
}

// A mount that another process has detached meanwhile is gone, which is no error.
func TestDetachedTwice(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("twice", dir, "tmpfs", 0, ""); err != nil {
		skip.Without(t, "the right to mount: %v", err)
	}
	m, _, err := At(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.detach(); err != nil {
			t.Error(err)
		}
	}
}

// Mounts of shardfs are found by mountpoint, with their scratch directory as source, even if names have odd bytes.
func TestOurs(t *testing.T) {
	shardName := filepath.Join(t.TempDir(), "shard.tar")
	if err := os.WriteFile(shardName, make([]byte, 1024), 0o644); err != nil { // an empty tar
		t.Fatal(err)
	}
	sh, err := shard.Open(t.Context(), shardName, shard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	const odd = "a b\tc\\d\ne"
	in := t.TempDir()
	scratch := filepath.Join(in, "scratch "+odd)
	base := func(dir string) (*fusefs.Server, error) {
		return fusefs.MountReadOnly(view.One(sh), dir, fusefs.Options{Source: scratch})
	}
	for name, mount := range map[string]func(dir string) (overlayfs.Lower, error){
		fusefs.Type: func(dir string) (overlayfs.Lower, error) { return base(dir) },
		overlayfs.Type: func(dir string) (overlayfs.Lower, error) {
			o := overlayfs.Options{
				Lower: filepath.Join(in, "lower"), Upper: filepath.Join(in, "upper"), Work: filepath.Join(in, "work"),
				Source: Source(scratch),
			}
			for _, dir := range []string{o.Lower, o.Upper, o.Work} {
				if err := os.Mkdir(dir, 0o755); err != nil {
					return nil, err
				}
			}
			return overlayfs.MountOver(base, dir, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == overlayfs.Type && !overlayfs.MayMount() {
				skip.Without(t, "the right to mount")
			}
			if _, err := os.Stat("/dev/fuse"); err != nil {
				skip.Without(t, "FUSE: %v", err)
			}
			dir := filepath.Join(in, name, odd)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			server, err := mount(dir)
			if err != nil {
				t.Fatal(err)
			}
			m, ok, err := At(dir)
			if want := (Mount{m.ID, m.Device, true, dir, name, scratch, true}); m != want || !ok || err != nil {
				t.Errorf("At = %+v, %v, %v, want %+v", m, ok, err, want)
			}
			if err := Unmount(dir, false); err != nil {
				t.Error(err)
			}
			server.Wait()
			if _, ok, err := At(dir); ok || err != nil {
				t.Errorf("after it was unmounted: %v, %v", ok, err)
			}
			if err := server.Unmount(); err != nil {
				t.Errorf("unmount again: %v", err)
			}
		})
	}
}
