package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/pack"
)

// sampleDir is the directory of one extracted sample. It is not safe for concurrent use.
type sampleDir struct {
	dir    string // directory with the sample's files
	root   string // directory that remove removes; dir is in it
	base   pack.Base
	sample index.Sample
	files  []written // as they were written

	above  int      // descriptor of the directory in which root is
	name   string   // of root there
	fd     int      // descriptor of dir as it was made, wherever it is now; none: it was not
	intact bool     // nothing has changed since; set by state
	opened *os.Root // root, once state has needed it, until remove
}

// none is no descriptor.
const none = -1

// written is a file that was written.
type written struct {
	name string
	row  int // of its member; pack.Changed for KeyFile and SourceFile
	identity
}

// identity shows whether a file is still as it was written. Its modification time is set to the member's, so that a
// write is noticed even within one tick of the file system's clock; its change time shows whether a command has set the
// modification time back.
type identity struct {
	inode        uint64
	size         int64
	mtime, ctime unix.Timespec
}

func identityOf(st *unix.Stat_t) identity {
	return identity{inode: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// isIntact reports whether nothing in the directory has changed, and it is where it was made: mostly the case, and found
// out with few system calls.
func (d *sampleDir) isIntact() bool {
	var st, made unix.Stat_t
	for i := range len(d.sample.Path) + 1 {
		if i < len(d.sample.Path) && d.sample.Path[i] != '/' {
			continue
		}
		place := d.name + "/" + d.sample.Path[:i]
		if unix.Fstatat(d.above, place, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return false
		}
	}
	if unix.Fstat(d.fd, &made) != nil || made.Ino != st.Ino || made.Dev != st.Dev {
		return false
	}
	if n, err := d.count(len(d.files)); err != nil || n != len(d.files) {
		return false
	}
	for _, f := range d.files {
		if unix.Fstatat(d.fd, f.name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || identityOf(&st) != f.identity {
			return false
		}
	}
	return true
}

// count returns how many entries the directory has. It does not count far beyond most.
func (d *sampleDir) count(most int) (n int, err error) {
	if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	for n <= most {
		got, err := unix.Getdents(d.fd, buf)
		if got <= 0 || err != nil {
			return n, err
		}
		_, found, _ := unix.ParseDirent(buf[:got], -1, nil)
		n += found
	}
	return n, nil
}

// state returns the sample's directory as it is now; false if it is gone. Its files can be opened until remove.
func (d *sampleDir) state() (pack.Dir, bool, error) {
	dir := pack.Dir{Path: d.sample.Path, Sample: &d.sample}
	if d.intact = d.isIntact(); d.intact {
		dir.Untouched = true
		return dir, true, nil
	}
	was := make(map[string]written, len(d.files))
	for _, f := range d.files {
		was[f.name] = f
	}
	now, err := d.read()
	if errors.Is(err, fs.ErrPermission) {
		scratch.GrantAll(d.opened, ".")
		now, err = d.read()
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return dir, false, nil
	}
	if err != nil {
		return dir, false, err
	}
	for _, file := range now.Files {
		if was, ok := was[file.Name]; ok {
			info, err := d.opened.Lstat(path.Join(d.sample.Path, file.Name))
			if err != nil {
				return dir, false, err
			}
			unchanged, err := d.isUnchanged(file, was, info)
			if err != nil {
				return dir, false, err
			}
			if unchanged && was.row == pack.Changed {
				continue // KeyFile or SourceFile
			}
			if unchanged {
				file.Row, file.Open = was.row, nil
			}
		}
		dir.Files = append(dir.Files, file)
	}
	dir.Dirs = now.Dirs
	if isLocked(dir) { // last, as a changed mode changes the identity of a file
		scratch.GrantAll(d.opened, ".")
	}
	return dir, true, nil
}

// isUnchanged reports whether a file is still as it was written: it was not touched, or it has the size, the time in
// whole seconds and the bytes of its member, as a file has that was only opened for writing.
func (d *sampleDir) isUnchanged(file pack.DirFile, was written, info fs.FileInfo) (bool, error) {
	st := info.Sys().(*syscall.Stat_t)
	is := identity{st.Ino, st.Size, unix.Timespec(st.Mtim), unix.Timespec(st.Ctim)}
	if is == was.identity {
		return true, nil
	}
	if was.row == pack.Changed || !file.Mode.IsRegular() || is.size != was.size || is.mtime.Sec != was.mtime.Sec {
		return false, nil
	}
	scratch.Grant(d.opened, path.Join(d.sample.Path, file.Name))
	return pack.SameContent(d.base, was.row, file)
}

// read reads the sample's directory. If a symbolic link has replaced it or a directory above it, the sample counts as
// gone.
func (d *sampleDir) read() (dir pack.Dir, err error) {
	if d.opened == nil {
		if d.opened, err = os.OpenRoot(d.root); err != nil {
			return dir, err
		}
	}
	for p := d.sample.Path; p != "."; p = path.Dir(p) {
		if info, err := d.opened.Lstat(p); err != nil {
			return dir, err
		} else if !info.IsDir() {
			return dir, unix.ENOTDIR
		}
	}
	return pack.ReadDirs(pack.RootFS(d.opened), d.sample.Path)
}

// remove removes the sample's directory and all in it.
func (d *sampleDir) remove() error {
	if d.opened != nil {
		d.opened.Close()
	}
	gone := d.intact && d.removeIntact()
	if d.fd != none {
		unix.Close(d.fd)
	}
	if gone {
		return nil
	}
	return scratch.RemoveAll(d.root)
}

// removeIntact removes a directory in which nothing has changed. It reports whether nothing is left.
func (d *sampleDir) removeIntact() bool {
	for _, f := range d.files {
		if unix.Unlinkat(d.fd, f.name, 0) != nil {
			return false
		}
	}
	for p := d.sample.Path; p != "."; p = path.Dir(p) {
		if unix.Unlinkat(d.above, d.name+"/"+p, unix.AT_REMOVEDIR) != nil {
			return false
		}
	}
	return unix.Unlinkat(d.above, d.name, unix.AT_REMOVEDIR) == nil
}

// isLocked reports whether a file in a directory, or in one below, is not readable for its owner.
func isLocked(dir pack.Dir) bool {
	for _, file := range dir.Files {
		if file.Mode.IsRegular() && file.Mode&0o400 == 0 {
			return true
		}
	}
	return slices.ContainsFunc(dir.Dirs, isLocked)
}
