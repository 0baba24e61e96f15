package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/pack"
)

// extractor copies samples of shards into real directories. It is safe for concurrent use.
type extractor struct {
	dir string
}

// newExtractor returns an extractor in a new directory in dir, which stays empty once all samples are removed.
func newExtractor(dir string) (*extractor, error) {
	dir = filepath.Join(dir, "samples")
	return &extractor{dir}, os.Mkdir(dir, 0o700)
}

// sampleDir is the directory of one extracted sample. It is not safe for concurrent use.
type sampleDir struct {
	dir    string // directory with the sample's files
	root   string // directory that remove removes; dir is in it
	base   pack.Base
	sample index.Sample
	files  map[string]identity // identities of the files as they were written
	opened *os.Root            // root, once state was called, until remove
}

// identity shows whether a file is still as it was written. Its modification time is set to the member's, so that a
// write is noticed even within one tick of the file system's clock; its change time shows whether a command has set the
// modification time back.
type identity struct {
	inode        uint64
	size         int64
	mtime, ctime syscall.Timespec
	row          int
}

// extract copies one sample of a shard. Source is the content of __source__.
func (e *extractor) extract(b pack.Base, source string, sample index.Sample) (*sampleDir, error) {
	root := filepath.Join(e.dir, strconv.Itoa(sample.Number))
	d := &sampleDir{dir: filepath.Join(root, filepath.FromSlash(sample.Path)), root: root, base: b, sample: sample}
	if err := d.fill(source); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

func (d *sampleDir) fill(source string) error {
	opened, err := d.make()
	if err != nil {
		return err
	}
	defer opened.Close()
	dir := int(opened.Fd())
	d.files = make(map[string]identity, d.sample.End-d.sample.Start+2)
	mtime := d.base.Index.ModTime(d.sample.Start)
	write := func(name string, row int, mtime time.Time, fill func(f *os.File) error) error {
		id, err := writeFile(dir, name, mtime, fill)
		id.row = row
		d.files[name] = id
		return err
	}
	for name, text := range map[string]string{index.KeyFile: d.sample.Key, index.SourceFile: source} {
		err := write(name, pack.Changed, mtime, func(f *os.File) error {
			_, err := f.WriteString(text)
			return err
		})
		if err != nil {
			return err
		}
	}
	for row := d.sample.Start; row < d.sample.End; row++ {
		if !d.base.Index.InSample(row) {
			continue
		}
		content, err := d.base.Index.Open(row, d.base.Plain)
		if err != nil {
			return err
		}
		err = write(d.base.Index.FileName(row), row, d.base.Index.ModTime(row), func(f *os.File) error {
			data := func(off int64) (index.Extent, bool) { return d.base.Index.Data(row, off) }
			return pack.CopyData(f, content, content.Size(), data)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// make makes the directory and opens it. Its path may be longer than a system call accepts.
func (d *sampleDir) make() (*os.File, error) {
	if err := os.Mkdir(d.root, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := root.MkdirAll(d.sample.Path, 0o755); err != nil {
		return nil, err
	}
	return root.Open(d.sample.Path)
}

// writeFile makes a file in a directory, whose content fill writes.
func writeFile(dir int, name string, mtime time.Time, fill func(f *os.File) error) (identity, error) {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := fill(f); err != nil {
		return identity{}, fmt.Errorf("%s: %w", name, err)
	}
	ts, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return identity{}, err
	}
	if err := unix.UtimesNanoAt(fd, "", []unix.Timespec{ts, ts}, unix.AT_EMPTY_PATH); err != nil {
		return identity{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	return identityOf(info), f.Close()
}

func identityOf(info fs.FileInfo) identity {
	st := info.Sys().(*syscall.Stat_t)
	return identity{inode: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// state returns the sample's directory as it is now; false if it is gone. Its files can be opened until remove.
func (d *sampleDir) state() (pack.Dir, bool, error) {
	dir := pack.Dir{Path: d.sample.Path, Sample: &d.sample}
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
		if was, ok := d.files[file.Name]; ok {
			info, err := d.opened.Lstat(path.Join(d.sample.Path, file.Name))
			if err != nil {
				return dir, false, err
			}
			unchanged, err := d.isUnchanged(file, was, identityOf(info))
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
func (d *sampleDir) isUnchanged(file pack.DirFile, was, is identity) (bool, error) {
	is.row = was.row
	if is == was {
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
	return scratch.RemoveAll(d.root)
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
