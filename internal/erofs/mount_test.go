package erofs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// What the kernel refuses is ErrUnavailable; a missing file is not.
func TestMountFails(t *testing.T) {
	in := needErofs(t)
	v := viewOf(t, some("a.txt"))
	names, mnt := filepath.Join(in, "names"), filepath.Join(in, "mnt")
	writeImage(t, names, imageOf(t, v, Options{}))
	other := filepath.Join(in, "other")
	check(t, os.WriteFile(other, make([]byte, 8192), 0o600))
	for _, tt := range []struct {
		name string
		dir  string
		o    MountOptions
		want error
	}{
		{"no image", mnt, MountOptions{other, []string{v.Shard.Path()}, 0}, ErrUnavailable},
		{"a directory as device", mnt, MountOptions{names, []string{in}, 0}, ErrUnavailable},
		{"no device", mnt, MountOptions{names, []string{""}, 0}, ErrUnavailable},
		{"a missing image", mnt, MountOptions{names + "x", []string{v.Shard.Path()}, 0}, os.ErrNotExist},
		{"a missing device", mnt, MountOptions{names, []string{names + "x"}, 0}, os.ErrNotExist},
		{"a long name of nothing", mnt, MountOptions{strings.Repeat("x", 300), []string{names}, 0}, unix.ENAMETOOLONG},
		{"a missing mountpoint", mnt + "x", MountOptions{names, []string{v.Shard.Path()}, 0}, os.ErrNotExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Mount(tt.dir, tt.o)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if err == nil {
				check(t, unix.Unmount(tt.dir, 0))
			}
		})
	}
}

// An image on overlayfs, a stacked file system, is refused in the same way.
func TestMountStacked(t *testing.T) {
	in := needErofs(t)
	var dirs []string
	for _, name := range []string{"lower", "upper", "work", "over", "at"} {
		dirs = append(dirs, filepath.Join(in, name))
		check(t, os.Mkdir(dirs[len(dirs)-1], 0o700))
	}
	options := "lowerdir=" + dirs[0] + ",upperdir=" + dirs[1] + ",workdir=" + dirs[2]
	if err := unix.Mount("overlay", dirs[3], "overlay", 0, options); err != nil {
		skip.Without(t, "overlayfs: %v", err)
	}
	defer func() { check(t, unix.Unmount(dirs[3], 0)) }()
	v := viewOf(t, some("a.txt"))
	names := filepath.Join(dirs[3], "names")
	writeImage(t, names, imageOf(t, v, Options{}))
	err := Mount(dirs[4], MountOptions{Names: names, Devices: []string{v.Shard.Path()}})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, want %v", err, ErrUnavailable)
	}
	if err == nil {
		check(t, unix.Unmount(dirs[4], 0))
	}
}

// A kernel without EROFS, or without its module, without blocks of 512 bytes or without images in files, and one that does
// not let this user mount, are ErrUnavailable; what another attempt may not have is not.
func TestMountError(t *testing.T) {
	for errno, unavailable := range map[unix.Errno]bool{
		unix.ENODEV: true, unix.ENOSYS: true, unix.EINVAL: true, unix.ENOTBLK: true, unix.EPERM: true,
		unix.EACCES: true, unix.EOPNOTSUPP: true, unix.EIO: false, unix.ENOMEM: false, unix.ENOENT: false,
	} {
		err := mountError(-1, "open the file system", errno)
		if errors.Is(err, ErrUnavailable) != unavailable || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// Each file has an inode of its own, those with the name of the shard, too: else copies would have hard links.
func TestMountedInodes(t *testing.T) {
	in := needErofs(t)
	v := viewOf(t, some("a.cls", "a.txt", "b.cls", "b.txt", "c/d.txt"))
	dir := mounted(t, in, imageOf(t, v, Options{}), v.Shard.Path())
	names := make(map[uint64]string)
	check(t, filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		check(t, err)
		var st unix.Stat_t
		check(t, unix.Lstat(name, &st))
		if other, ok := names[st.Ino]; ok {
			t.Errorf("%s and %s have the inode %d", other, name, st.Ino)
		}
		names[st.Ino] = name
		return nil
	}))
	// The root; a, b, c, c/d; members; key and source of three samples.
	if want := 1 + 4 + 5 + 2*3; len(names) != want {
		t.Errorf("%d files and directories, want %d: %v", len(names), want, names)
	}
}

// The kernel refuses O_DIRECT, and blocks of files have 512 bytes.
func TestMountedFiles(t *testing.T) {
	in := needErofs(t)
	v := viewOf(t, some("a.txt"))
	name := filepath.Join(mounted(t, in, imageOf(t, v, Options{}), v.Shard.Path()), "a/sample.txt")
	if fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECT, 0); err != unix.EINVAL {
		t.Errorf("open with O_DIRECT: %d, %v", fd, err)
	}
	var st unix.Stat_t
	check(t, unix.Stat(name, &st))
	if st.Blksize != BlockSize || st.Blocks != 1 {
		t.Errorf("%d blocks, of %d bytes for reads", st.Blocks, st.Blksize)
	}
	if unix.Major(st.Dev) != 0 {
		t.Errorf("it is on the block device %d:%d, such as a loop device", unix.Major(st.Dev), unix.Minor(st.Dev))
	}
	if err := os.WriteFile(name, nil, 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("to write: %v", err)
	}
}

// Permissions of the root keep other users out.
func TestMountOthers(t *testing.T) {
	in := needErofs(t)
	v := viewOf(t, some("a.txt"))
	for mode, want := range map[uint32]error{0: os.ErrPermission, 0o755: nil} {
		m := imageOf(t, v, Options{Mode: mode})
		dir := mounted(t, in, m, v.Shard.Path())
		check(t, os.Chmod(filepath.Dir(dir), 0o755))
		var err error
		shardtest.AsUser(t, in, func() { _, err = os.ReadFile(filepath.Join(dir, "a/sample.txt")) })
		if !errors.Is(err, want) {
			t.Errorf("with mode %o: %v, want %v", mode, err, want)
		}
	}
}
