package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
)

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
