// Package overlayfs mounts the kernel's overlayfs: an upper directory, in which changes are kept, over a lower one,
// which stays as it is. The lower directory may be of any file system.
//
// [Mount] is one such mount. [MountOver] mounts a lower file system as well, for overlayfs alone: it has no place in
// the tree of names, and ends with the overlayfs mount.
//
// What overlayfs writes to the upper directory, and what it finds there when it is mounted again, is fixed by the
// options that this package chooses: renamed directories are marked with where they were, and each changed file is
// there as a whole.
package overlayfs

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Type is the type of overlayfs mounts in /proc/self/mountinfo.
const Type = "overlay"

// Options configures a mount. All directories are needed.
type Options struct {
	Lower string // the lower directory
	Upper string // the upper directory
	Work  string // the work directory: empty, and on the file system of the upper one

	Source     string  // what /proc/self/mountinfo names as the source; "" for "overlay"
	Flags      uintptr // of mount(2): unix.MS_RDONLY and others; 0 for none
	AllowOther bool    // users other than the owner of the upper directory may enter; else its mode keeps them out
	UserXattr  bool    // marks are attributes user.overlay.*, not trusted.overlay.*; no directory can be renamed then
	Volatile   bool    // nothing need be on disk after a sync or the unmount: the upper directory will be thrown away
}

// MayMount reports whether this process has the right to mount overlayfs.
func MayMount() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// Mount mounts overlayfs at a mountpoint. This process may serve the lower directory itself, by FUSE.
func Mount(mountpoint string, o Options) error {
	// Access is controlled by the mode of the root, which is that of the upper directory.
	mode := os.FileMode(0o700)
	if o.AllowOther {
		mode = 0o755
	}
	if err := os.Chmod(o.Upper, mode); err != nil {
		return err
	}
	options := o.flagOptions()
	// Directories are named by their descriptors: such a name needs no escaping.
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

// flagOptions returns the options of overlayfs that name no directory.
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
