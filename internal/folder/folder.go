// Package folder turns a plain folder of files into samples.
//
// The key of a file is its path from the folder up to the first dot of its base name, and the rest of the name is its
// extension, as for the members of a shard. The samples of a directory come by key, and before those of its
// subdirectories, which come by name, so the same files always give the same samples in the same order. Only the names
// of one directory at a time are in memory, and no content. No link is followed.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/pack"
)

// Errors about a folder.
var (
	ErrNoClass   = errors.New("in no directory that could be its class")
	ErrSampleDir = errors.New("a sample directory among plain files")
)

// classExt is the extension of the member that holds a class.
const classExt = "cls"

// Options configures a Folder. The zero value takes every file as it is.
type Options struct {
	ClassDirs bool          // add to each sample its directory's name, as the extension cls
	Skip      []fs.FileInfo // files that belong to no sample
	Stat      bool          // find out the size and time of each file with its name, which costs opening it
}

// Folder is an open folder of files.
type Folder struct {
	opener
	o   Options
	top *listing // of the folder itself, until it is used; else nil
}

// Open opens a folder.
func Open(dir string, o Options) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	return &Folder{opener: opener{root: root, dir: top}, o: o}, nil
}

// Close closes the folder. Its files can then no longer be opened.
func (f *Folder) Close() error { return errors.Join(f.dir.Close(), f.root.Close()) }

// Samples yields the samples, and for each directory a sample without members that counts the files which belong to
// none: links, special files, hidden files, and files without an extension. Errors wrap ErrNoClass, ErrSampleDir or
// pack.ErrDuplicateExtension, or are those of reading directories. Files are opened when they are packed, until Close; only
// [pack.ReadAhead] or Options.Stat finds out their sizes and times.
func (f *Folder) Samples() iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) { f.walk(".", yield) }
}

// walk yields the samples of dir and the directories below it. It reports whether to continue.
func (f *Folder) walk(dir string, yield func(pack.Sample, error) bool) bool {
	list, err := f.top, error(nil)
	if f.top = nil; list == nil {
		list, err = f.list(dir)
	}
	if err != nil {
		yield(pack.Sample{}, err)
		return false
	}
	subdirs := list.dirs
	if !f.samples(dir, list, yield) {
		return false
	}
	for _, sub := range subdirs {
		if !f.walk(path.Join(dir, sub), yield) {
			return false
		}
	}
	return true
}

// samples yields the samples of one directory.
func (f *Folder) samples(dir string, l *listing, yield func(pack.Sample, error) bool) bool {
	for from := 0; from < len(l.files); {
		key, _, _ := strings.Cut(l.name(from), ".")
		to := from + 1
		for to < len(l.files) && strings.HasPrefix(l.name(to), key+".") {
			to++
		}
		s, err := f.sample(dir, key, l, from, to)
		if !yield(s, err) || err != nil {
			return false
		}
		from = to
	}
	return l.others.Count == 0 || yield(pack.Sample{Path: dir, LeftOut: l.others}, nil)
}

// sample returns the sample of the files from..to-1 of a directory.
func (f *Folder) sample(dir, key string, l *listing, from, to int) (pack.Sample, error) {
	members := make([]pack.Member, 0, to-from+1)
	for i := from; i < to; i++ {
		base := l.name(i)
		name := path.Join(dir, base)
		open := func() (fs.File, error) { return f.open(name) }
		m := pack.FileMember(base[len(key)+1:], open)
		if f.o.Stat {
			if err := stat(&m.File); err != nil {
				return pack.Sample{}, err
			}
		}
		members = append(members, m)
	}
	name := path.Join(dir, key)
	if f.o.ClassDirs {
		if dir == "." {
			return pack.Sample{}, fmt.Errorf("%s: %w", l.name(from), ErrNoClass)
		}
		if slices.ContainsFunc(members, func(m pack.Member) bool { return m.Ext == classExt }) {
			return pack.Sample{}, fmt.Errorf("%s.%s: %w: it would also come from the directory's name",
				name, classExt, pack.ErrDuplicateExtension)
		}
		class := pack.TextMember(classExt, []byte(path.Base(dir)))
		at, _ := slices.BinarySearchFunc(members, classExt, func(m pack.Member, ext string) int {
			return strings.Compare(m.Ext, ext)
		})
		members = slices.Insert(members, at, class)
	}
	return pack.New(name, members), nil
}

// stat finds out the size and time of a file.
func stat(file *pack.DirFile) error {
	f, err := file.Open()
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		file.Size, file.ModTime = info.Size(), info.ModTime()
	}
	return errors.Join(err, f.Close())
}

// HasSampleDirs reports whether it is a folder of sample directories: whether the first of its subdirectories with files
// of samples, by name, has files that only a sample directory has.
func (f *Folder) HasSampleDirs() (bool, error) {
	_, found, err := f.probe(".")
	return found, err
}

// probe looks below a directory for the first one with files of samples.
func (f *Folder) probe(dir string) (decided, found bool, err error) {
	list, err := f.list(dir)
	if errors.Is(err, ErrSampleDir) {
		return true, true, nil
	}
	if err != nil || dir != "." && len(list.files) > 0 {
		return true, err == nil && list.hasSampleFiles(), err
	}
	if dir == "." {
		f.top = list
	}
	for _, sub := range list.dirs {
		if decided, found, err = f.probe(path.Join(dir, sub)); decided {
			return decided, found, err
		}
	}
	return false, false, nil
}
