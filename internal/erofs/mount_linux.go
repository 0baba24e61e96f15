package erofs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mountthread"
)

// Type is the type of EROFS mounts in /proc/self/mountinfo.
const Type = "erofs"

// ErrUnavailable means that this process, this kernel or these files do not allow a mount of EROFS.
var ErrUnavailable = errors.New("no EROFS")

// MountOptions configures Mount. Paths of files are opened by the kernel; /proc/self/fd/N is such a path, too.
type MountOptions struct {
	Names string // file with the image, the source in /proc/self/mountinfo; its file system must not lie over another

	// Devices are the files with the bytes of each shard, in order: the plain shard, or Bytes.
	Devices []string

	// Attributes are attributes of the mount besides MOUNT_ATTR_RDONLY, such as unix.MOUNT_ATTR_NOSUID.
	Attributes int
}

// Mount mounts an image at a directory, read-only. This process may serve the two files itself, by FUSE. Where those are
// mounted does not matter afterwards: the mount holds them. The error is ErrUnavailable if the same cannot be mounted
// here at all: the kernel lacks EROFS, blocks of 512 bytes or images in files, or the process the right to mount.
func Mount(dir string, o MountOptions) error {
	return mountthread.WithoutConnections(func() error { return mount(dir, o) })
}

func mount(dir string, o MountOptions) error {
	if len(o.Devices) == 0 { // the kernel would take bytes of the image for those of files
		return errors.New("mount EROFS: no device")
	}
	fs, err := unix.Fsopen(Type, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return mountError(-1, "open the file system", err)
	}
	defer unix.Close(fs)
	var files optionFiles // the kernel opens them when the file system is created
	defer files.close()
	if err := files.set(fs, "source", o.Names); err != nil {
		return err
	}
	for _, device := range o.Devices {
		if err := files.set(fs, "device", device); err != nil {
			return err
		}
	}
	if err := unix.FsconfigSetFlag(fs, "ro"); err != nil {
		return mountError(fs, "set read-only", err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return mountError(fs, "create it", err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|o.Attributes)
	if err != nil {
		return mountError(fs, "mount it", err)
	}
	defer unix.Close(mnt)
	if err := unix.MoveMount(mnt, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount EROFS at %s: %w", dir, err)
	}
	return nil
}

// optionFiles are files of this thread whose numbers are in options of a mount.
type optionFiles []int

// longestOption is the greatest length in bytes of an option, with its end, that fsconfig(2) takes.
const longestOption = 256

// set sets an option of a mount to a file, by a path that is short enough.
func (f *optionFiles) set(fs int, option, name string) error {
	path := name
	if len(name) >= longestOption {
		fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
		*f = append(*f, fd)
		path = fmt.Sprintf("/proc/thread-self/fd/%d", fd)
	}
	if err := unix.FsconfigSetString(fs, option, path); err != nil {
		return mountError(fs, "set the "+option, err)
	}
	return nil
}

func (f optionFiles) close() {
	for _, fd := range f {
		unix.Close(fd)
	}
}

// mountError adds to an error of a step what the kernel says about it. Errors that another attempt would have as well
// are ErrUnavailable.
func mountError(fs int, step string, err error) error {
	said := kernelSaid(fs)
	if said != "" {
		said = " (" + said + ")"
	}
	err = fmt.Errorf("mount EROFS: %s: %w%s", step, err, said)
	for _, none := range []error{unix.ENODEV, unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ENOTBLK, unix.EINVAL,
		unix.EOPNOTSUPP} {
		if errors.Is(err, none) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return err
}

// kernelSaid returns the messages of the kernel about a file system that is being mounted.
func kernelSaid(fs int) string {
	var all []string
	buf := make([]byte, 1024)
	for fs >= 0 && len(all) < 8 {
		n, err := unix.Read(fs, buf) // ENODATA when there are no more
		if err != nil || n <= 0 {
			break
		}
		text := strings.TrimSpace(string(buf[:n]))
		if len(text) > 2 && text[1] == ' ' { // the level of the message
			text = text[2:]
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}
