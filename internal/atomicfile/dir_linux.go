package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is a directory that is being written: it appears under its name with all that is in it, or not at all. Its bytes are
// not synced. The caller must call Commit or Abort. A Dir is not safe for concurrent use.
type Dir struct {
	*os.Root // the temporary directory
	parent   *os.Root
	lock     *os.File
	name     string
	temp     string
	done     bool // committed or aborted
}

// CreateDir starts writing the directory of that path. It removes what killed processes have left of the same path. The
// error is ErrBusy if another process is writing it. Weak, if not nil, is called with a reason where the file system has no
// locks.
func CreateDir(path string, weak func(why string)) (*Dir, error) {
	parent, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	d := &Dir{parent: parent, name: filepath.Base(path)}
	d.temp = tempPrefix(d.name) + rand.Text()
	if err := parent.Mkdir(d.temp, 0o777); err != nil {
		return nil, errors.Join(err, parent.Close())
	}
	if err := d.open(weak); err != nil {
		return nil, errors.Join(err, d.Abort())
	}
	return d, nil
}

// open opens and locks the temporary directory. Until it is locked, another process may remove it as a leftover.
func (d *Dir) open(weak func(why string)) (err error) {
	d.Root, err = d.parent.OpenRoot(d.temp)
	if err == nil {
		d.lock, err = d.Root.Open(".")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	named, err := Lock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == unix.EWOULDBLOCK || err == nil && !named:
		return ErrBusy
	case errors.Is(err, ErrNoLocks):
		o := Options{Weak: weak}
		o.weak(fmt.Sprintf("%v: two writers of one directory do not notice each other, and what killed ones leave "+
			"stays", err))
		return nil
	case err != nil:
		return err
	}
	return d.removeLeftovers()
}

// removeLeftovers removes the temporary directories of the same name that no process is writing. Where that fails, they
// stay.
func (d *Dir) removeLeftovers() error {
	parent, err := d.parent.Open(".")
	if err != nil {
		return nil
	}
	defer parent.Close()
	for temp, err := range temporary(parent, d.name) {
		if err != nil {
			return nil
		}
		if temp == d.temp {
			continue
		}
		if _, err := removeUnlockedDir(d.parent, temp); err == ErrBusy {
			return err
		}
	}
	return nil
}

// Commit gives the directory its name, where nothing or an empty directory may be. After an error there is nothing new.
func (d *Dir) Commit() error {
	in, err := d.parent.Open(".")
	if err == nil {
		// Rename of os does not replace an empty directory.
		err = unix.Renameat(int(in.Fd()), d.temp, int(in.Fd()), d.name)
		in.Close()
	}
	d.done = err == nil
	return errors.Join(err, d.Abort())
}

// Abort removes the directory. After Commit or Abort it does nothing.
func (d *Dir) Abort() error {
	if d.parent == nil {
		return nil
	}
	var errs []error
	if !d.done {
		errs = append(errs, d.parent.RemoveAll(d.temp))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	if d.Root != nil {
		errs = append(errs, d.Root.Close())
	}
	errs = append(errs, d.parent.Close())
	d.parent = nil
	return errors.Join(errs...)
}

// removeUnlockedDir removes a temporary directory of this user if no process has locked it, and reports whether it was
// removed. What is no directory stays. The error is ErrBusy, or wraps ErrNoLocks.
func removeUnlockedDir(parent *os.Root, temp string) (removed bool, err error) {
	if info, err := parent.Lstat(temp); err != nil || !info.IsDir() {
		return false, nil
	}
	dir, err := parent.OpenFile(temp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, nil
	}
	defer dir.Close()
	named, err := Lock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, ErrBusy
	}
	var st unix.Stat_t
	if err != nil || !named || unix.Fstat(int(dir.Fd()), &st) != nil || st.Uid != uint32(os.Geteuid()) {
		return false, err
	}
	return parent.RemoveAll(temp) == nil, nil
}

// removeTemp removes a temporary file or directory like removeUnlocked.
func removeTemp(dir *os.File, temp string) (removed bool, err error) {
	removed, err = removeUnlocked(dir, temp, uint32(os.Geteuid()), true)
	if removed || err != nil {
		return removed, err
	}
	parent, err := os.OpenRoot(dir.Name())
	if err != nil {
		return false, nil
	}
	defer parent.Close()
	now, err := parent.Stat(".")
	if err != nil {
		return false, nil
	}
	if opened, err := dir.Stat(); err != nil || !os.SameFile(now, opened) {
		return false, nil // another directory has the name by now
	}
	return removeUnlockedDir(parent, temp)
}
