package fusefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

const kernelType = "overlay"

// ErrNoOverlayfs says that overlayfs cannot be mounted over the shards here.
var ErrNoOverlayfs = errors.New("no overlayfs")

// Upper is where overlayfs keeps changes.
type Upper struct {
	Dir       string // the upper directory
	Work      string // its work directory
	Below     string // an empty directory, for the shards to be mounted on until overlayfs holds them
	UserMarks bool   // marks are user.overlay.* and not trusted.overlay.*
	Volatile  bool   // nothing need be on disk when it is unmounted or synced: it will be thrown away
}

// Overlay mounts shards with changes over them by the kernel's overlayfs, and serves the shards until that is unmounted. It
// returns when the mount is ready for use. What is changed does not pass through this process. The shards' own mount is seen
// by overlayfs only, and ends with it.
func Overlay(set *view.Set, upper Upper, mountpoint string, o Options) (*Server, error) {
	flags, err := mountFlags(&o)
	if err != nil {
		return nil, err
	}
	// Who may come in is decided by the mode of the root, which is that of the upper directory.
	mode := os.FileMode(0o700)
	if o.AllowOther {
		mode = 0o755
	}
	if err := os.Chmod(upper.Dir, mode); err != nil {
		return nil, err
	}
	below := o
	below.AllowOther, below.Options = true, nil
	s, err := Show(set, upper.Below, below)
	if err != nil {
		return nil, err
	}
	err = mountOverlayfs(upper, mountpoint, overlaySource+o.Source, flags)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoOverlayfs, err), s.Unmount())
	}
	s.mountpoint = mountpoint
	if err := unix.Unmount(upper.Below, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return nil, errors.Join(err, s.Unmount())
	}
	return s, nil
}

// mountOverlayfs mounts an upper directory over what is mounted below. Directories are named by their descriptors, as no
// name has to be escaped then.
func mountOverlayfs(upper Upper, mountpoint, source string, flags uintptr) error {
	// What is renamed is marked with where it was. Of attributes alone nothing is kept, so that what pack finds in the upper
	// directory are whole files. Inode numbers are not made unique over both layers: for that, overlayfs would look up each
	// entry of whatever is listed, which takes minutes in a root of millions.
	options := []string{"index=off", "metacopy=off", "xino=off"}
	if upper.UserMarks {
		options = append(options, "userxattr") // which does without redirects
	} else {
		options = append(options, "redirect_dir=on")
	}
	if upper.Volatile {
		options = append(options, "volatile")
	}
	for _, dir := range []struct{ option, name string }{
		{"lowerdir", upper.Below}, {"upperdir", upper.Dir}, {"workdir", upper.Work},
	} {
		fd, err := unix.Open(dir.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: dir.name, Err: err}
		}
		defer unix.Close(fd)
		options = append(options, fmt.Sprintf("%s=/proc/self/fd/%d", dir.option, fd))
	}
	return withoutConnections(func() error {
		return unix.Mount(source, mountpoint, kernelType, flags, strings.Join(options, ","))
	})
}

// withoutConnections calls f on a thread of its own that does not hold the connections to the kernel's FUSE. Overlayfs asks the
// shards when it is mounted. If this process is killed then, the thread that waits for the answer would keep open what must be
// closed for it to be told that there will be none, and would stay for good.
func withoutConnections(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- withoutConnections(f) // on another one, as this one would stay
			return
		}
		err := unix.Unshare(unix.CLONE_FILES)
		if err == nil {
			err = closeConnections()
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// closeConnections closes what of the calling thread's descriptors is /dev/fuse.
func closeConnections() error {
	const dir = "/proc/thread-self/fd"
	fds, err := os.ReadDir(dir)
	for _, fd := range fds {
		if to, _ := os.Readlink(filepath.Join(dir, fd.Name())); to != "/dev/fuse" {
			continue
		}
		n, _ := strconv.Atoi(fd.Name())
		err = errors.Join(err, unix.Close(n))
	}
	return err
}

// MayOverlay reports whether this process has the right to mount overlayfs.
func MayOverlay() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// mountFlags returns the flags of an overlayfs for options that every file system has. It knows no others.
func mountFlags(o *Options) (flags uintptr, err error) {
	flags = unix.MS_NOSUID | unix.MS_NODEV
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	for _, option := range o.Options {
		flag, ok := map[string]uintptr{
			"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "exec": 0, "noatime": unix.MS_NOATIME,
			"nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME, "sync": unix.MS_SYNCHRONOUS,
			"dirsync": unix.MS_DIRSYNC, "default_permissions": 0,
		}[option]
		if !ok {
			return 0, fmt.Errorf("%w: %s: overlayfs does not know it", ErrOption, option)
		}
		flags |= flag
	}
	return flags, nil
}
