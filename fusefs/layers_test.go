package fusefs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// mountLayers mounts a shard read-only by overlayfs.
func mountLayers(s *scratch.Scratch, sh *shard.Shard, mountpoint string, o Options) (overlayfs.Lower, error) {
	if err := os.Mkdir(s.Lower(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	o.Layers = 0o711
	return overlayfs.MountOver(func(dir string) (*Server, error) { return MountReadOnly(view.One(sh), dir, o) },
		mountpoint, overlayfs.Options{
			Lower: s.Lower(), Layers: [2]string{ShownLayer, EmptyLayer}, Source: s.Dir, Flags: unix.MS_RDONLY,
		})
}

// What overlayfs shows of layers is what FUSE shows, but for the permissions of the root.
func TestLayers(t *testing.T) {
	needOverlay(t)
	members := append(samples(40), member{"z.shown", "x"}, member{"a/nested.x", "x"}, member{"000001/nested.x", "x"},
		member{"shown/x.x", "x"}, member{"empty/x.x", "x"}, member{"big.bin", string(make([]byte, 3<<20))})
	name := filepath.Join(t.TempDir(), "shard.tar")
	writeShard(t, name, members)
	direct, over := mountShard(t, name, shown), mountShard(t, name, layered)
	if info, err := os.Stat(over.dir); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("the root has mode %v, %v", info.Mode(), err)
	}
	const all = `find . -mindepth 1 -printf '%p %i %m %u %s %b %n %T@ %y\n'; find . -type f | xargs md5sum; ` +
		`stat -c %i .; stat -f -c '%b %f %l' .`
	got, want := strings.Split(over.sh("", all), "\n"), strings.Split(direct.sh("", all), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("overlayfs shows\n%q\nwant, from line %d,\n%q", got, i, want)
		}
	}
	// All files are on one device.
	const devices = `test $(du -xs . | cut -f1) -gt 3000; find . -printf '%D\n' | uniq | wc -l`
	if got := over.sh("", devices); got != "1\n" {
		t.Errorf("the number of devices: %q", got)
	}
	for path, want := range map[string]error{
		"missing": unix.ENOENT, "z/missing": unix.ENOENT, "shown/missing": unix.ENOENT,
		"z/sample.shown/x": unix.ENOTDIR,
	} {
		for range 2 {
			if _, err := os.Stat(over.path(path)); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", path, err, want)
			}
		}
	}
	for name, change := range map[string]func(path string) error{
		"create": func(string) error { return os.WriteFile(over.path("new"), nil, 0o644) },
		"write":  func(path string) error { return os.WriteFile(path, nil, 0) },
		"remove": os.Remove,
		"mode":   func(path string) error { return os.Chmod(path, 0) },
		"link":   func(path string) error { return os.Link(path, filepath.Join(over.dir, "link")) },
	} {
		if err := change(over.path("z/sample.shown")); !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v, want EROFS", name, err)
		}
	}
	f, err := os.OpenFile(over.path("big/sample.bin"), os.O_RDONLY|unix.O_DIRECT, 0)
	check(t, err)
	defer f.Close()
	if n, err := f.ReadAt(make([]byte, 4<<20), 0); n != 3<<20 {
		t.Errorf("a direct read: %d bytes, %v", n, err)
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, 3<<20, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil || mapped[3<<20-1] != 0 {
		t.Fatalf("mmap: %v", err)
	}
	check(t, unix.Munmap(mapped))
}
