package pack

import (
	"errors"
	"io/fs"
	"iter"
	"path"
)

// Tree is a plain directory of sample directories, as a [Source]. It reads one directory at a time, and follows no
// symbolic links.
type Tree struct {
	FS fs.FS
}

// Dirs yields the directories by path, each before its subdirectories.
func (t Tree) Dirs() iter.Seq2[Dir, error] {
	return func(yield func(Dir, error) bool) {
		t.walk(".", yield)
	}
}

// walk yields dir and the directories below it. It returns false if yield did.
func (t Tree) walk(dir string, yield func(Dir, error) bool) bool {
	f, subs, err := readDir(t.FS, dir)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		return true // removed since it was listed
	}
	if err != nil {
		return yield(Dir{}, err)
	}
	if dir == "." {
		f.Path = ""
	}
	if !yield(f, nil) {
		return false
	}
	for _, sub := range subs {
		if !t.walk(path.Join(dir, sub), yield) {
			return false
		}
	}
	return true
}
