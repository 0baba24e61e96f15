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
	"strings"

	"golang.org/x/sys/unix"
)

// Type is the type of overlayfs mounts in /proc/self/mountinfo.
const Type = "overlay"

// Options configures a mount. All directories must be set.
type Options struct {
	Lower string // the lower directory
	Upper string // the upper directory
	Work  string // the work directory: empty, and on the file system of the upper one

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
	// Access is controlled by the mode of the root, which is the mode of the upper directory.
	mode := os.FileMode(0o700)
	if o.AllowOther {
		mode = 0o755
	}
	if err := os.Chmod(o.Upper, mode); err != nil {
		return err
	}
	options := o.flagOptions()
	// Directories are named by file descriptors: such a name needs no escaping.
	for _, dir := range []struct{ option, name string }{
		{"lowerdir", o.Lower}, {"upperdir", o.Upper}, {"workdir", o.Work},
	} {
		fd, err := unix.Open(dir.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: dir.name, Err: err}
		}
		defer unix.Close(fd)
		options = append(options, fmt.Sprintf("%s=/proc/self/fd/%d", dir.option, fd))
	}
	source := o.Source
	if source == "" {
		source = Type
	}
	err := withoutConnections(func() error {
		return unix.Mount(source, mountpoint, Type, o.Flags, strings.Join(options, ","))
	})
	if err != nil {
		return fmt.Errorf("mount overlayfs: %w", err)
	}
	return nil
}

// flagOptions returns the options of overlayfs other than directories.
func (o *Options) flagOptions() []string {
	// Without metacopy, a file whose attributes were changed is copied with its content, so that the upper directory
	// has whole files. With xino, inode numbers would be unique over both layers, but overlayfs would look up each
	// entry of each listing, which takes minutes in a root of millions.
	options := []string{"index=off", "metacopy=off", "xino=off"}
	if o.UserXattr {
		options = append(options, "userxattr") // which excludes redirect_dir
	} else {
		options = append(options, "redirect_dir=on") // marks a renamed directory with where it was
	}
	if o.Volatile {
		options = append(options, "volatile")
	}
	return options
}
