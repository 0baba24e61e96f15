package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/pack"
)

// Overlay is a shard and the changes over it, as they are at the moment of each call. It is safe for concurrent use, and
// works beside a [Tree] that is changing the same scratch.
type Overlay struct {
	Shard *shard.Shard
	upper *upper

	scratch *scratch.Scratch
}

// New returns the overlay of a scratch directory over its shard.
func New(s *scratch.Scratch, sh *shard.Shard) (*Overlay, error) {
	u, err := openUpper(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Dir, err)
	}
	return &Overlay{Shard: sh, upper: u, scratch: s}, nil
}

// Close releases the overlay; the shard stays open.
func (o *Overlay) Close() error { return o.upper.close() }

// place is where a directory of the shard is now.
type place struct {
	path   string
	opaque bool // nothing of the shard's own is seen in it
}

// changes is what a walk over the upper directory finds.
type changes struct {
	places map[index.Dir]place // directories that have one of their own there
	gone   map[index.Dir]bool  // directories of the shard that were deleted or moved away
	moved  map[index.Dir]bool  // those in whose old place there is another now: found in one turn, used in the next
	added  []pack.Folder       // directories outside the shard's samples that are not the shard's or hold what was added
	strays []pack.File         // files in the root
	stamp  string              // changes when anything does
}

// walk reads the upper directory. It looks at what was changed only.
func (o *Overlay) walk() (c *changes, err error) {
	err = settled(func() error {
		moved := make(map[index.Dir]bool)
		sum := sha256.New()
		for known := -1; known < len(moved); {
			known = len(moved)
			c = &changes{places: make(map[index.Dir]place), gone: make(map[index.Dir]bool), moved: moved}
			sum.Reset()
			if err := o.walkDir(c, sum, upperDir{base: index.Root, hasBase: true}); err != nil {
				return err
			}
		}
		for d := range c.places {
			delete(c.gone, d) // moved, not deleted
		}
		pack.SortFolders(c.added)
		c.stamp = hex.EncodeToString(sum.Sum(nil))
		return nil
	})
	return c, err
}

// settled calls f again, within reason, if a directory was moved or deleted before f had come to it.
func settled(f func() error) (err error) {
	const patience = 1000
	for range patience {
		if err = f(); !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			break
		}
	}
	return err
}

// upperDir is a directory of the upper tree.
type upperDir struct {
	path    string
	base    index.Dir // the directory of the shard that it lies over
	hasBase bool      // base holds, and shows through
	owned   bool      // what is added in it belongs to a sample or an added folder
}

// walkDir reads one directory of the upper tree and those in it.
func (o *Overlay) walkDir(c *changes, stamp io.Writer, dir upperDir) error {
	entries, err := o.upper.list(dir.path)
	if err != nil {
		return err
	}
	x := o.Shard.Index
	var files []pack.File // that belong to no sample
	for _, e := range entries {
		name := path.Join(dir.path, e.name)
		if isLocked(&e.stat) { // to read it will change its mode and so the stamp
			o.upper.grant(name)
			if e.stat, err = o.upper.stat(name); err != nil {
				return err
			}
		}
		fmt.Fprintf(stamp, "%q %o %d %d %d\n", name, e.stat.Mode, e.stat.Size, e.stat.Ino, e.stat.Ctim.Nano())
		child, below := index.Dir(0), false
		if dir.hasBase {
			child, below = x.Child(dir.base, e.name)
		}
		if !isDir(&e.stat) {
			if below {
				c.gone[child] = true
			}
			if !dir.owned && !isWhiteout(&e.stat) {
				files = append(files, o.file(name, &e.stat))
			}
			continue
		}
		d, over, opaque, err := o.baseOf(name, dir.base, dir.hasBase, c.moved)
		if err != nil {
			return err
		}
		if below && (!over || d != child) {
			c.gone[child] = true
		}
		sub := upperDir{path: name, owned: true}
		if over {
			if _, two := c.places[d]; two {
				c.moved[d] = true
			}
			c.places[d] = place{name, opaque}
			_, sample := x.SampleIn(d)
			sub = upperDir{path: name, base: d, hasBase: !opaque, owned: sample}
		} else if !dir.owned {
			folder, err := o.added(name)
			if err != nil {
				return err
			}
			c.added = append(c.added, folder)
		}
		if err := o.walkDir(c, stamp, sub); err != nil {
			return err
		}
	}
	switch {
	case dir.path == "":
		c.strays = files
	case len(files) > 0:
		c.added = append(c.added, pack.Folder{Path: dir.path, Files: files})
	}
	return nil
}

// baseOf returns the directory of the shard that the upper directory at name, whose parent lies over parent, takes the
// place of. An opaque one takes the place of the directory of its own name and shows nothing of it; if that one is among
// those that were moved, it is a directory that was added.
func (o *Overlay) baseOf(name string, parent index.Dir, parentHasBase bool, moved map[index.Dir]bool) (
	d index.Dir, over, opaque bool, err error) {
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
	return d, over && !(opaque && moved[d]), opaque, nil
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
func (o *Overlay) Folders() iter.Seq2[pack.Folder, error] {
	return func(yield func(pack.Folder, error) bool) {
		c, err := o.walk()
		if err != nil {
			yield(pack.Folder{}, err)
			return
		}
		for n := range o.Shard.Index.Samples() {
			folder, ok, err := o.folder(c, n)
			if err != nil {
				err = settled(func() error {
					if c, err = o.walk(); err == nil {
						folder, ok, err = o.folder(c, n)
					}
					return err
				})
			}
			if (ok || err != nil) && !yield(folder, err) || err != nil {
				return
			}
		}
		for _, f := range append(c.added, pack.Folder{Files: c.strays}) {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// folder returns the directory of one sample, wherever it is; false where it was deleted.
func (o *Overlay) folder(c *changes, number int) (pack.Folder, bool, error) {
	x := o.Shard.Index
	p, ok := o.where(c, x.DirOf(number))
	if !ok {
		return pack.Folder{}, false, nil
	}
	sample := x.Sample(number)
	folder := pack.Folder{Path: p.path, Sample: &sample, Moved: p.path != sample.Path, Untouched: true}
	if _, changed := c.places[x.DirOf(number)]; !changed {
		return folder, true, nil
	}
	folder, err := o.read(folder, p.opaque, c.moved)
	return folder, true, err
}

// Folder returns the directory of one sample as it is now, at the sample's own path; false where it is not there.
func (o *Overlay) Folder(number int) (f pack.Folder, there bool, err error) {
	err = settled(func() error {
		f, there, err = o.atItsPath(number)
		return err
	})
	return f, there, err
}

// atItsPath is one attempt at Folder.
func (o *Overlay) atItsPath(number int) (pack.Folder, bool, error) {
	x := o.Shard.Index
	sample := x.Sample(number)
	folder := pack.Folder{Path: sample.Path, Sample: &sample, Untouched: true}
	var dirs []index.Dir
	for d := x.DirOf(number); d != index.Root; d = x.Parent(d) {
		dirs = append(dirs, d)
	}
	at, opaque := "", false
	for _, d := range slices.Backward(dirs) {
		if opaque {
			return pack.Folder{}, false, nil // deleted with a directory above it
		}
		at = path.Join(at, x.Name(d))
		st, err := o.upper.stat(at)
		if err == unix.ENOENT {
			return folder, true, nil
		}
		if err != nil {
			return pack.Folder{}, false, err
		}
		if !isDir(&st) {
			return pack.Folder{}, false, nil
		}
		var is index.Dir
		var over bool
		if is, over, opaque, err = o.baseOf(at, x.Parent(d), true, nil); err != nil || !over || is != d {
			return pack.Folder{}, false, err
		}
	}
	folder, err := o.read(folder, opaque, nil)
	return folder, true, err
}

// Free removes the changes of one sample, which nobody looks at any more. Those of samples in its directory stay. Mounted, if
// not nil, is the root of a mount of the kernel's overlayfs: it holds on to files that it has shown, and to their space, until
// they are removed through it.
func (o *Overlay) Free(number int, mounted *os.Root) error {
	x := o.Shard.Index
	d := x.DirOf(number)
	dir := x.Path(d)
	_, shared := x.FirstChild(d)
	entries, err := o.upper.list(dir)
	switch {
	case err == unix.ENOENT: // nothing was changed
		return nil
	case err == unix.ENOTDIR && shared: // deleted, and the samples in it, too
		return nil
	case err != nil && err != unix.ENOTDIR:
		return err
	}
	own := entries[:0]
	for _, e := range entries {
		if _, ok := x.Child(d, e.name); ok {
			continue
		}
		own = append(own, e)
		if mounted == nil || isWhiteout(&e.stat) {
			continue
		}
		if err := mounted.RemoveAll(path.Join(dir, e.name)); err != nil {
			return err
		}
	}
	if !shared {
		if err := removeAll(o.upper.dir, dir); !errors.Is(err, unix.ENOTDIR) {
			return err
		}
		return nil // deleted with a directory above it
	}
	for _, e := range own {
		if err := removeAll(o.upper.dir, path.Join(dir, e.name)); err != nil {
			return err
		}
	}
	return nil
}

// read completes the folder of a sample of the shard that has a directory in the upper tree.
func (o *Overlay) read(f pack.Folder, opaque bool, moved map[index.Dir]bool) (pack.Folder, error) {
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
			_, over, _, err := o.baseOf(name, x.DirOf(f.Sample.Number), !opaque, moved)
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
		f.Files = append(f.Files, pack.MemberFiles(x, *f.Sample, func(name string) bool { return !hidden[name] })...)
	}
	return f, nil
}

// added reads a directory of the upper tree that is not the shard's, without the directories of the shard that were
// moved into it.
func (o *Overlay) added(dir string) (pack.Folder, error) {
	f := pack.Folder{Path: dir}
	entries, err := o.upper.list(dir)
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		switch {
		case isWhiteout(&e.stat):
		case isDir(&e.stat):
			_, over, _, err := o.baseOf(name, 0, false, nil)
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
func (o *Overlay) file(name string, st *unix.Stat_t) pack.File {
	return pack.File{
		Name: path.Base(name), Row: pack.Changed, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix()), Mode: fileMode(st.Mode),
		Open: func() (fs.File, error) {
			fd, err := o.upper.open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0) // it may be a FIFO by now
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
