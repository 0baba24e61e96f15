package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// root is where the root directory of a container is put together. Each has a mount namespace, so that all can have it there.
const root = "/tmp"

// devices are what runtimes show of /dev.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// Enter is the program by which containers start: it makes the container around itself, from the Spec on standard input, and
// becomes the command. It only returns an error.
func Enter() error {
	runtime.LockOSThread() // capabilities and flags belong to threads
	var spec Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return err
	}
	if err := empty(); err != nil {
		return err
	}
	if err := spec.files(); err != nil {
		return err
	}
	os.Clearenv()
	for _, e := range spec.Env {
		if name, value, ok := strings.Cut(e, "="); ok {
			os.Setenv(name, value)
		}
	}
	if err := spec.privileges(); err != nil {
		return err
	}
	path, err := exec.LookPath(spec.Argv[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, spec.Argv, spec.Env)
}

// empty makes standard input /dev/null.
func empty() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	return unix.Dup2(int(null.Fd()), 0)
}

// files makes the root directory and enters it.
func (s Spec) files() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts private: %w", err)
	}
	open := map[string]int{} // what will be hidden by the new root
	for _, m := range s.Mounts {
		fd, err := unix.OpenTree(unix.AT_FDCWD, m.From, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("mount of %s: %w", m.From, err)
		}
		open[m.To] = fd
	}
	if err := system(); err != nil {
		return err
	}
	for _, m := range s.Mounts {
		if err := bind(open[m.To], m.From, m.To, m.Writable); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	if !s.Writable {
		return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
	}
	return nil
}

// system mounts what containers have of the machine.
func system() error {
	mount := func(what, where, kind string, flags uintptr, options string) error {
		where = filepath.Join(root, where)
		if err := os.MkdirAll(where, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(what, where, kind, flags, options); err != nil {
			return fmt.Errorf("%s at %s: %w", kind, where, err)
		}
		return nil
	}
	err := errors.Join(
		mount("tmpfs", "/", "tmpfs", unix.MS_NODEV|unix.MS_NOSUID, "mode=755,size=64m"),
		mount("/usr", "/usr", "", unix.MS_BIND, ""),
		mount("", "/usr", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""),
		mount("/etc", "/etc", "", unix.MS_BIND, ""),
		mount("", "/etc", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""),
		mount("proc", "/proc", "proc", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, ""),
		mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755,size=64k"),
		mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, "mode=1777,size=64m"),
		os.MkdirAll(root+"/tmp", 0o755),
	)
	for _, name := range devices {
		fd, e := unix.OpenTree(unix.AT_FDCWD, "/dev/"+name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		err = errors.Join(err, e)
		if e == nil {
			err = errors.Join(err, bind(fd, "/dev/"+name, "/dev/"+name, true))
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if to, e := os.Readlink("/" + name); e == nil {
			err = errors.Join(err, os.Symlink(to, filepath.Join(root, name)))
		}
	}
	return err
}

// bind mounts an opened file or directory at a path of the container.
func bind(fd int, from, to string, writable bool) error {
	defer unix.Close(fd)
	to = filepath.Join(root, to)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return err
	}
	if err := target(to, info.Mode&unix.S_IFMT == unix.S_IFDIR); err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, to, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount of %s at %s: %w", from, to, err)
	}
	if writable {
		return nil
	}
	return unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// target makes what something is mounted on.
func target(path string, dir bool) error {
	if dir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// lastCapability is above the last one that kernels have; the others answer EINVAL.
const lastCapability = 63

// privileges gives up all that root has.
func (s Spec) privileges() error {
	for c := range lastCapability {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	var groups []int
	if s.Group != 0 {
		groups = []int{s.Group}
	}
	return errors.Join(
		unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
		syscall.Setgroups(groups),
		syscall.Setgid(s.User),
		syscall.Setuid(s.User),
		unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0), // which the change of the user has removed
	)
}
