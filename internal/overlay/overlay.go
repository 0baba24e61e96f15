package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
)

// Overlay is a shard and the changes over it, as they are at the moment of each call. It is safe for concurrent use, and
// works beside a [Tree] that is changing the same scratch.
type Overlay struct {
	Shard *shard.Shard
	upper *upper
}

// New returns the overlay of a scratch directory over its shard.
func New(s *Scratch, sh *shard.Shard) (*Overlay, error) {
	u, err := openUpper(s.Dir, s.lock != nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Dir, err)
	}
	return &Overlay{Shard: sh, upper: u}, nil
}

// Close releases the overlay; the shard stays open.
func (o *Overlay) Close() error {
	return o.upper.close()
}

// place is where a directory of the shard is now.
type place struct {
	path   string
	opaque bool // nothing of the shard's own is seen in it
}

// changes is what a walk over the upper directory finds.
type changes struct {
	places map[index.Dir]place // directories that have one of their own there
	gone   map[index.Dir]bool  // directories of the shard that were deleted or moved away
	added  []index.Folder      // directories that are not the shard's, outside its samples
	strays []index.File        // files outside any sample
	stamp  string              // changes when anything does
}

// walk reads the upper directory. It looks at what was changed only.
func (o *Overlay) walk() (*changes, error) {
	c := &changes{places: make(map[index.Dir]place), gone: make(map[index.Dir]bool)}
	sum := sha256.New()
	if err := o.walkDir(c, sum, "", index.Root, true, false); err != nil {
		return nil, err
	}
	for d := range c.places {
		delete(c.gone, d) // moved, not deleted
	}
	index.SortFolders(c.added)
	c.stamp = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

// walkDir reads one directory of the upper tree. Hasbase says that it lies over the directory base of the shard, and
// added that it is one of, or in one of, the added folders.
func (o *Overlay) walkDir(c *changes, stamp io.Writer, dir string, base index.Dir, hasBase, added bool) error {
	entries, err := o.upper.list(dir)
	if err != nil {
		return err
	}
	x := o.Shard.Index
	_, inSample := x.SampleIn(base)
	for _, e := range entries {
		name := path.Join(dir, e.name)
		fmt.Fprintf(stamp, "%q %o %d %d %d\n", name, e.stat.Mode, e.stat.Size, e.stat.Ino, e.stat.Ctim.Nano())
		child, below := index.Dir(0), false
		if hasBase {
			child, below = x.Child(base, e.name)
		}
		if !isDir(&e.stat) {
			if below {
				c.gone[child] = true
			}
			if !(hasBase && inSample) && !added && !isWhiteout(&e.stat) {
				c.strays = append(c.strays, o.file(name, &e.stat))
			}
			continue
		}
		d, over, opaque, err := o.baseOf(name, base, hasBase)
		if err != nil {
			return err
		}
		if below && (!over || d != child) {
			c.gone[child] = true
		}
		if over {
			c.places[d] = place{name, opaque}
			if err := o.walkDir(c, stamp, name, d, !opaque, false); err != nil {
				return err
			}
			continue
		}
		if err := o.walkDir(c, stamp, name, 0, false, true); err != nil {
			return err
		}
		if !added && !(hasBase && inSample) {
			folder, err := o.added(name)
			if err != nil {
				return err
			}
			c.added = append(c.added, folder)
		}
	}
	return nil
}

// baseOf returns the directory of the shard that the upper directory at name, whose parent lies over parent, takes the
// place of. An opaque one takes the place of the directory of its own name and shows nothing of it.
func (o *Overlay) baseOf(name string, parent index.Dir, parentHasBase bool) (d index.Dir, over, opaque bool, err error) {
	x := o.Shard.Index
	redirect, err := o.upper.redirect(name)
	if err != nil {
		return 0, false, false, err
	}
	switch {
	case strings.HasPrefix(redirect, "/"):
		d, over = x.Find(redirect[1:])
		return d, over, false, nil
	case !parentHasBase:
		return 0, false, false, nil
	case redirect != "":
		d, over = x.Child(parent, redirect)
		return d, over, false, nil
	}
	if opaque, err = o.upper.isOpaque(name); err != nil {
		return 0, false, false, err
	}
	d, over = x.Child(parent, path.Base(name))
	return d, over, opaque, nil
}

// where returns the path at which a directory of the shard is now; false where it was deleted.
func (o *Overlay) where(c *changes, d index.Dir) (place, bool) {
	if d == index.Root {
		return place{}, true
	}
	if p, ok := c.places[d]; ok {
		return p, true
	}
	if c.gone[d] {
		return place{}, false
	}
	parent, ok := o.where(c, o.Shard.Index.Parent(d))
	if !ok || parent.opaque {
		return place{}, false
	}
	return place{path: path.Join(parent.path, o.Shard.Index.Name(d))}, true
}

// Folders yields the directories of the samples as they are now: those of the shard in tar order, then those that were
// added, by path.
func (o *Overlay) Folders() iter.Seq2[index.Folder, error] {
	return func(yield func(index.Folder, error) bool) {
		c, err := o.walk()
		if err != nil {
			yield(index.Folder{}, err)
			return
		}
		x := o.Shard.Index
		for n := range x.Samples() {
			p, ok := o.where(c, x.DirOf(n))
			if !ok {
				continue
			}
			sample := x.Sample(n)
			folder := index.Folder{Path: p.path, Sample: &sample, Moved: p.path != sample.Path, Untouched: true}
			if _, changed := c.places[x.DirOf(n)]; changed {
				if folder, err = o.read(folder, p.opaque); err != nil {
					yield(index.Folder{}, err)
					return
				}
			}
			if !yield(folder, nil) {
				return
			}
		}
		for _, f := range append(c.added, index.Folder{Files: c.strays}) {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Folder returns the directory of one sample as it is now, at the sample's own path; false where it is not there.
func (o *Overlay) Folder(number int) (index.Folder, bool, error) {
	x := o.Shard.Index
	sample := x.Sample(number)
	folder := index.Folder{Path: sample.Path, Sample: &sample, Untouched: true}
	for i := range len(sample.Path) + 1 {
		if i < len(sample.Path) && sample.Path[i] != '/' {
			continue
		}
		st, err := o.upper.stat(sample.Path[:i])
		if err == unix.ENOENT {
			return folder, true, nil
		}
		if err != nil {
			return index.Folder{}, false, err
		}
		if !isDir(&st) {
			return index.Folder{}, false, nil
		}
	}
	d, over, opaque, err := o.baseOf(sample.Path, x.Parent(x.DirOf(number)), true)
	if err != nil || !over || d != x.DirOf(number) {
		return index.Folder{}, false, err
	}
	folder, err = o.read(folder, opaque)
	return folder, true, err
}

// Free removes the changes of one sample, which nobody looks at any more.
func (o *Overlay) Free(number int) error {
	return o.upper.remove(o.Shard.Index.Sample(number).Path)
}

// read completes the folder of a sample of the shard that has a directory in the upper tree.
func (o *Overlay) read(f index.Folder, opaque bool) (index.Folder, error) {
	entries, err := o.upper.list(f.Path)
	if err != nil {
		return f, err
	}
	x := o.Shard.Index
	f.Untouched = false
	hidden := make(map[string]bool, len(entries))
	for _, e := range entries {
		hidden[e.name] = true
		name := path.Join(f.Path, e.name)
		switch {
		case isWhiteout(&e.stat):
		case isDir(&e.stat):
			_, over, _, err := o.baseOf(name, x.DirOf(f.Sample.Number), !opaque)
			if err != nil {
				return f, err
			}
			if over {
				continue // another sample of the shard, or the way to one
			}
			sub, err := o.added(name)
			if err != nil {
				return f, err
			}
			f.Folders = append(f.Folders, sub)
		default:
			f.Files = append(f.Files, o.file(name, &e.stat))
		}
	}
	if !opaque {
		f.Files = append(f.Files, index.MemberFiles(x, *f.Sample, func(name string) bool { return !hidden[name] })...)
	}
	return f, nil
}

// added reads a directory of the upper tree that is not the shard's, without the directories of the shard that were
// moved into it.
func (o *Overlay) added(dir string) (index.Folder, error) {
	f := index.Folder{Path: dir}
	entries, err := o.upper.list(dir)
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		switch {
		case isWhiteout(&e.stat):
		case isDir(&e.stat):
			_, over, _, err := o.baseOf(name, 0, false)
			if err != nil {
				return f, err
			}
			if over {
				continue
			}
			sub, err := o.added(name)
			if err != nil {
				return f, err
			}
			f.Folders = append(f.Folders, sub)
		default:
			f.Files = append(f.Files, o.file(name, &e.stat))
		}
	}
	return f, nil
}

// file describes a file of the upper tree.
func (o *Overlay) file(name string, st *unix.Stat_t) index.File {
	return index.File{
		Name: path.Base(name), Row: index.Changed, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix()), Mode: fileMode(st.Mode),
		Open: func() (fs.File, error) {
			fd, err := o.upper.open(name, unix.O_RDONLY, 0)
			if err != nil {
				return nil, err
			}
			return os.NewFile(uintptr(fd), name), nil
		},
	}
}

// fileMode returns the type and permissions of a file.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	default:
		m |= fs.ModeIrregular
	}
	return m
}

// Stamp returns a text that is another one whenever anything was changed since.
func (o *Overlay) Stamp() (string, error) {
	c, err := o.walk()
	if err != nil {
		return "", err
	}
	return c.stamp, nil
}
