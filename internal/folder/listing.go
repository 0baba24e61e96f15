package folder

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
)

// listing is what a directory has. It takes 24 bytes and its name for each file.
type listing struct {
	files  []entry     // by key, then by extension
	dirs   []string    // by name
	others pack.Others // files that belong to no sample
	names  []byte      // of the files, one after the other
}

// entry is a file in a listing.
type entry struct {
	from, to int    // of its name in names
	head     uint64 // its first bytes, which sort as the key and then the extension do
}

// headOf returns the head of an entry. The dot that ends the key is 0 in it: it sorts before all bytes of longer keys.
func headOf(name string) uint64 {
	var head [8]byte
	copy(head[:], name)
	if dot := bytes.IndexByte(head[:], '.'); dot >= 0 {
		head[dot] = 0
	}
	return binary.BigEndian.Uint64(head[:])
}

// batch is how many entries of a directory are read at a time.
const batch = 1024

// list reads a directory.
func (f *Folder) list(dir string) (*listing, error) {
	d, err := f.openDir(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	l := new(listing)
	for {
		entries, err := d.ReadDir(batch)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := f.add(l, dir, e); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(l.files, l.compare)
	slices.Sort(l.dirs)
	return l, nil
}

// add adds an entry of a directory to its listing.
func (f *Folder) add(l *listing, dir string, e fs.DirEntry) error {
	name := e.Name()
	if name[0] == '.' {
		l.others.Add(name)
		return nil
	}
	if e.IsDir() {
		l.dirs = append(l.dirs, name)
		return nil
	}
	if name == index.KeyFile && dir != "." {
		return fmt.Errorf("%s: %w", path.Join(dir, name), ErrSampleDir)
	}
	if _, _, ok := index.MemberKey(path.Join(dir, name)); !ok || !e.Type().IsRegular() {
		l.others.Add(name)
		return nil
	}
	skip, err := f.skips(path.Join(dir, name))
	if skip || err != nil {
		return err
	}
	from := len(l.names)
	l.names = append(l.names, name...)
	l.files = append(l.files, entry{from, len(l.names), headOf(name)})
	return nil
}

// skips reports whether a file is one of those to skip.
func (f *Folder) skips(name string) (bool, error) {
	for _, skipped := range f.o.Skip {
		if skipped.Name() != path.Base(name) {
			continue
		}
		info, err := f.root.Lstat(name)
		if err != nil || os.SameFile(info, skipped) {
			return true, err
		}
	}
	return false, nil
}

// hasSampleFiles reports whether there is a file that makes a directory a sample's.
func (l *listing) hasSampleFiles() bool {
	for i := range l.files {
		if _, _, ok := index.SplitFile(l.name(i)); ok {
			return true
		}
	}
	return false
}

// name returns the name of file i.
func (l *listing) name(i int) string { return string(l.bytes(l.files[i])) }

func (l *listing) bytes(e entry) []byte { return l.names[e.from:e.to] }

// compare orders files by key and, if they have the same key, by extension.
func (l *listing) compare(a, b entry) int {
	if a.head != b.head {
		return cmp.Compare(a.head, b.head)
	}
	dot := []byte{'.'}
	keyA, extA, _ := bytes.Cut(l.bytes(a), dot)
	keyB, extB, _ := bytes.Cut(l.bytes(b), dot)
	return cmp.Or(bytes.Compare(keyA, keyB), bytes.Compare(extA, extB))
}
