// Package overlayfs mounts the kernel's overlayfs: an upper directory, which gets the changes, over a lower one, which
// is never changed. The lower directory may be on any file system.
//
// [Mount] mounts overlayfs alone. [MountOver] also mounts the lower file system, which is then visible only to
// overlayfs and ends with the overlayfs mount.
//
// The mount options of this package fix the format of the upper directory: renamed directories are marked with their
// old path, and each changed file is stored whole.
package overlayfs

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mountthread"
)

// Type is the type of overlayfs mounts in /proc/self/mountinfo.
const Type = "overlay"

// Options configures a mount. Either Upper and Work must be set, or Layers; then the mount is read-only.
type Options struct {
	Lower string // the lower directory
	Upper string // the upper directory
	Work  string // the work directory: empty, and on the file system of the upper one

	// Layers are two directories in Lower: one to show, and an empty one, because overlayfs wants two. Listings and, if
	// both are of one file system, the numbers of files and of the device are those of the first. Of the root the
	// kernel reads the whole listing before it gives out the first entry.
	Layers [2]string

	Source     string  // the source in /proc/self/mountinfo; "" means "overlay"
	Flags      uintptr // flags of mount(2), such as unix.MS_RDONLY
	AllowOther bool    // let users other than the owner of the upper directory in; else its mode keeps them out
	UserXattr  bool    // use attributes user.overlay.*, not trusted.overlay.*; directories then cannot be renamed
	Volatile   bool    // ignore syncs, because the upper directory will be discarded
}

// MayMount reports whether this process has the capability to mount overlayfs.
func MayMount() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// Mount mounts overlayfs at a mountpoint. This process may serve the lower directory itself, by FUSE.
func Mount(mountpoint string, o Options) error {
	if o.Layers == [2]string{} {
		// Access is controlled by the mode of the root, which is the mode of the upper directory.
		mode := os.FileMode(0o700)
		if o.AllowOther {
			mode = 0o755
		}
		if err := os.Chmod(o.Upper, mode); err != nil {
			return err
		}
	}
	source := o.Source
	if source == "" {
		source = Type
	}
	err := mountthread.WithoutConnections(func() error { return o.mount(source, mountpoint, o.formats()) })
	if err != nil {
		return fmt.Errorf("mount overlayfs: %w", err)
	}
	return nil
}

// mount mounts overlayfs with the first options that the kernel takes. Directories are named by file descriptors of this
// thread: such a name needs no escaping.
func (o *Options) mount(source, mountpoint string, formats []string) error {
	var fds []any
	for _, name := range o.directories() {
		fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	var err error
	for _, format := range formats {
		if err = unix.Mount(source, mountpoint, Type, o.Flags, fmt.Sprintf(format, fds...)); err == nil {
			return nil
		}
	}
	return err
}

// directories returns the directories in the order in which formats mention them.
func (o *Options) directories() []string {
	if o.Layers == [2]string{} {
		return []string{o.Lower, o.Upper, o.Work}
	}
	return []string{filepath.Join(o.Lower, o.Layers[0]), filepath.Join(o.Lower, o.Layers[1])}
}

// formats returns the mount options to try, in this order, with a %d for the descriptor of each directory.
func (o *Options) formats() []string {
	const fd = "/proc/thread-self/fd/%d"
	// With xino, inode numbers would be unique over both layers, but overlayfs would look up each entry of each listing,
	// which takes minutes in a root of millions.
	const common = "index=off,xino=off,"
	if o.Layers != [2]string{} {
		return []string{
			// The second layer has no names, only content that files of the first could refer to: by attributes that root
			// may set or, in a user namespace, by those of users.
			common + "metacopy=on,lowerdir=" + fd + "::" + fd,
			common + "userxattr,lowerdir=" + fd + "::" + fd,
			// Before Linux 6.8 names of the root are looked up in both.
			common + "metacopy=off,lowerdir=" + fd + ":" + fd,
		}
	}
	// Without metacopy, a file whose attributes were changed is copied with its content, so that the upper directory
	// has whole files.
	options := common + "metacopy=off,"
	if o.UserXattr {
		options += "userxattr," // which excludes redirect_dir
	} else {
		options += "redirect_dir=on," // marks a renamed directory with where it was
	}
	if o.Volatile {
		options += "volatile,"
	}
	return []string{options + "lowerdir=" + fd + ",upperdir=" + fd + ",workdir=" + fd}
}
