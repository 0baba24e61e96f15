package overlayfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// options returns the directories of a mount on a tmpfs, which keeps the marks of overlayfs, and a mountpoint. The
// lower directory holds a file, "a".
func options(t *testing.T) (o Options, mountpoint string) {
	t.Helper()
	if !MayMount() {
		skip.Without(t, "the right to mount")
	}
	in := t.TempDir()
	if err := unix.Mount("none", in, "tmpfs", 0, ""); err != nil {
		skip.Without(t, "a tmpfs: %v", err)
	}
	// Other processes of the machine may look at it at this moment.
	t.Cleanup(func() { check(t, unix.Unmount(in, unix.MNT_DETACH)) })
	dir := func(name string) string {
		name = filepath.Join(in, name)
		check(t, os.Mkdir(name, 0o755))
		return name
	}
	o = Options{Lower: dir("lower,:\\"), Upper: dir("up per"), Work: dir("work")}
	check(t, os.WriteFile(filepath.Join(o.Lower, "a"), []byte("lower"), 0o644))
	return o, dir("mnt")
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// isMounted reports whether an overlayfs is mounted at a directory.
func isMounted(t *testing.T, dir string) bool {
	t.Helper()
	var st unix.Statfs_t
	check(t, unix.Statfs(dir, &st))
	return st.Type == unix.OVERLAYFS_SUPER_MAGIC
}

func TestMount(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     func(o *Options)
		mode    os.FileMode // of the root
		write   error
		options string // what the mount has among its options
	}{
		{"zero", func(*Options) {}, 0o700, nil, " - overlay overlay rw,"},
		{"for others", func(o *Options) { o.AllowOther = true }, 0o755, nil, " rw,"},
		{"a source", func(o *Options) { o.Source = "a:b c" }, 0o700, nil, ` - overlay a:b\040c rw,`},
		{"read-only", func(o *Options) { o.Flags = unix.MS_RDONLY }, 0o700, unix.EROFS, " - overlay overlay ro,"},
		{"noexec", func(o *Options) { o.Flags = unix.MS_NOEXEC }, 0o700, nil, " rw,noexec,"},
		{"user's attributes", func(o *Options) { o.UserXattr = true }, 0o700, nil, ",userxattr"},
		{"volatile", func(o *Options) { o.Volatile = true }, 0o700, nil, "volatile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, mountpoint := options(t)
			tt.set(&o)
			check(t, Mount(mountpoint, o))
			defer func() { check(t, unix.Unmount(mountpoint, 0)) }()
			info, err := os.Stat(mountpoint)
			check(t, err)
			if info.Mode().Perm() != tt.mode {
				t.Errorf("the root has mode %o, want %o", info.Mode().Perm(), tt.mode)
			}
			table, err := os.ReadFile("/proc/self/mountinfo")
			check(t, err)
			_, after, found := strings.Cut(string(table), " "+mountpoint+" ")
			if line, _, _ := strings.Cut(after, "\n"); !found || !strings.Contains(" "+line, tt.options) {
				t.Errorf("the mount is %q, want %q in it", line, tt.options)
			}
			if err := os.WriteFile(filepath.Join(mountpoint, "a"), []byte("new"), 0o644); !errors.Is(err, tt.write) {
				t.Errorf("write: %v, want %v", err, tt.write)
			}
			want := "new"
			if tt.write != nil {
				want = "lower"
			}
			for dir, want := range map[string]string{mountpoint: want, o.Lower: "lower"} {
				if got, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(got) != want {
					t.Errorf("%s holds %q, %v, want %q", dir, got, err, want)
				}
			}
		})
	}
}

func TestMountFails(t *testing.T) {
	o, mountpoint := options(t)
	missing := o
	missing.Work = filepath.Join(o.Work, "missing")
	if err := Mount(mountpoint, missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a work directory: %v", err)
	}
	if err := Mount(filepath.Join(mountpoint, "missing"), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a mountpoint: %v", err)
	}
}

// tmpfs is a lower file system of the kernel.
type tmpfs struct{ dir string }

func mountTmpfs(dir string) (tmpfs, error) {
	err := unix.Mount("none", dir, "tmpfs", 0, "")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "b"), []byte("base"), 0o644)
	}
	return tmpfs{dir}, err
}

func (l tmpfs) Wait() {}
func (l tmpfs) Unmount() error {
	err := unix.Unmount(l.dir, 0)
	if err == unix.EINVAL {
		return nil
	}
	return err
}

func TestMountOver(t *testing.T) {
	o, mountpoint := options(t)
	stack, err := MountOver(mountTmpfs, mountpoint, o)
	check(t, err)
	if _, err := os.Stat(filepath.Join(o.Lower, "b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lower file system is still at its directory: %v", err)
	}
	f, err := os.Open(filepath.Join(mountpoint, "b"))
	check(t, err)
	defer f.Close()
	check(t, stack.Unmount())
	if isMounted(t, mountpoint) {
		t.Error("it is still mounted")
	}
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, 0); string(buf[:n]) != "base" {
		t.Errorf("a file that is open holds %q, %v", buf[:n], err)
	}
	check(t, stack.Unmount()) // again
	stack.Wait()
}

func TestMountOverFails(t *testing.T) {
	o, mountpoint := options(t)
	broken := errors.New("broken")
	_, err := MountOver(func(string) (tmpfs, error) { return tmpfs{}, broken }, mountpoint, o)
	if !errors.Is(err, broken) {
		t.Errorf("a lower file system that fails: %v", err)
	}
	o.Work = filepath.Join(o.Work, "missing")
	if _, err := MountOver(mountTmpfs, mountpoint, o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an overlayfs that fails: %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Lower, "b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lower file system is still mounted: %v", err)
	}
}

// What is shown of layers is the first, whichever options the kernel takes.
func TestLayers(t *testing.T) {
	o, mountpoint := options(t)
	for _, dir := range []string{"shown", "empty"} {
		check(t, os.Mkdir(filepath.Join(o.Lower, dir), 0o750))
	}
	for _, name := range []string{"b", "c", "a"} {
		check(t, os.WriteFile(filepath.Join(o.Lower, "shown", name), []byte(name), 0o644))
	}
	layers := Options{Lower: o.Lower, Layers: [2]string{"shown", "empty"}}
	for i, format := range layers.formats() {
		check(t, layers.mount(Type, mountpoint, []string{format}))
		info, err := os.Stat(mountpoint)
		check(t, err)
		entries, err := os.ReadDir(mountpoint)
		check(t, err)
		got, err := os.ReadFile(filepath.Join(mountpoint, "a"))
		if string(got) != "a" || len(entries) != 3 || info.Mode().Perm() != 0o750 {
			t.Errorf("%d: %q, %v; %d entries, mode %v", i, got, err, len(entries), info.Mode())
		}
		if err := os.WriteFile(filepath.Join(mountpoint, "a"), nil, 0); !errors.Is(err, unix.EROFS) {
			t.Errorf("%d: write: %v", i, err)
		}
		check(t, unix.Unmount(mountpoint, 0))
	}
}
