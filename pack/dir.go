package pack

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/shardfs/shardfs/index"
)

// Dir is a directory of the view as it is now, including changes. The package that made it documents how long its files
// can be opened.
type Dir struct {
	Path      string        // path from the root of the view, slash-separated; "" for the root
	Sample    *index.Sample // the sample of the shard in it; nil if there is none
	Renamed   bool          // the directory of Sample was renamed to Path
	Untouched bool          // it has exactly the files of Sample, all unchanged
	Files     []DirFile     // in no order; empty if Untouched
	Dirs      []Dir         // subdirectories that are not samples of the shard, by name
}

// DirFile is a file in a Dir. An unchanged index.KeyFile or index.SourceFile is not listed.
type DirFile struct {
	Name    string // base name
	Row     int    // row of the member of the shard if that is unchanged; else Changed
	Size    int64  // in bytes
	Mode    fs.FileMode
	ModTime time.Time
	Open    func() (fs.File, error) // nil for an unchanged member, which is read from the shard
}

// Changed is the row of a new or changed file.
const Changed = -1

// RootFS returns the file system in root. Unlike root.FS it accepts names that are not UTF-8, which members can have,
// and opens no links.
func RootFS(root *os.Root) fs.FS { return rootFS{root} }

type rootFS struct{ root *os.Root }

// Open opens a file or directory, but not a link, and waits for no writer of a FIFO: the file may have been replaced
// since it was listed, even by another user.
func (r rootFS) Open(name string) (fs.File, error) {
	f, err := r.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	is, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if named, err := r.root.Lstat(name); err != nil || !os.SameFile(is, named) {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, ErrChanged)
	}
	return f, nil
}

// readDir reads the directory of fsys with a slash-separated path. All files in it count as changed. It returns the
// names of subdirectories in dirs, not in the Dir. It follows no symbolic links, and leaves out files that are removed
// meanwhile.
func readDir(fsys fs.FS, dir string) (f Dir, dirs []string, err error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return Dir{}, nil, err
	}
	f.Path = dir
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, e.Name())
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return Dir{}, nil, err
		}
		name := path.Join(dir, e.Name())
		f.Files = append(f.Files, DirFile{
			Name: e.Name(), Row: Changed, Size: info.Size(), Mode: info.Mode(), ModTime: info.ModTime(),
			Open: func() (fs.File, error) { return fsys.Open(name) },
		})
	}
	return f, dirs, nil
}

// ReadDirs reads the directory of fsys with a slash-separated path, and all directories below it, which are in Dirs.
// All files count as changed. It follows no symbolic links, and leaves out files that are removed meanwhile.
func ReadDirs(fsys fs.FS, dir string) (Dir, error) {
	f, dirs, err := readDir(fsys, dir)
	if err != nil {
		return Dir{}, err
	}
	for _, name := range dirs {
		sub, err := ReadDirs(fsys, path.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Dir{}, err
		}
		f.Dirs = append(f.Dirs, sub)
	}
	return f, nil
}

// MemberFiles returns the files of a sample's members for whose names keep returns true, in tar order.
func MemberFiles(x *index.Index, s index.Sample, keep func(name string) bool) []DirFile {
	var files []DirFile
	for row := s.Start; row < s.End; row++ {
		if !x.InSample(row) {
			continue
		}
		if name := x.FileName(row); keep(name) {
			m := x.Member(row)
			files = append(files, DirFile{
				Name: name, Row: row, Size: m.Size, Mode: fs.FileMode(m.Mode & 0o777), ModTime: m.ModTime,
			})
		}
	}
	return files
}

// file returns the file with a name in the directory.
func (f *Dir) file(name string) (DirFile, bool) {
	i := slices.IndexFunc(f.Files, func(file DirFile) bool { return file.Name == name })
	if i < 0 {
		return DirFile{}, false
	}
	return f.Files[i], true
}

// Text returns the content of a regular file in the directory, but at most its first limit bytes; false if there is no
// such file.
func (f *Dir) Text(name string, limit int64) (text string, ok bool, err error) {
	file, ok := f.file(name)
	if !ok || !file.Mode.IsRegular() {
		return "", false, nil
	}
	content, err := file.read(limit)
	return string(content), err == nil, err
}

// read returns the content of a regular file, but at most its first limit bytes.
func (f *DirFile) read(limit int64) ([]byte, error) {
	content, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if is, err := content.Stat(); err != nil {
		return nil, err
	} else if !is.Mode().IsRegular() {
		return nil, ErrChanged
	}
	return io.ReadAll(io.LimitReader(content, limit))
}

// SortDirs sorts directories by path.
func SortDirs(dirs []Dir) {
	slices.SortFunc(dirs, func(a, b Dir) int { return cmp.Compare(a.Path, b.Path) })
}
