package overlay

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/pack"
)

// place is the current place of a directory of the shard.
type place struct {
	path   string
	opaque bool // entries of the shard are not visible in it
}

// changes is the result of a walk over the upper tree.
type changes struct {
	places    map[index.Dir]place // places of the directories of the shard that are in the upper tree
	gone      map[index.Dir]bool  // directories of the shard that were deleted or moved
	moved     map[index.Dir]bool  // directories of the shard found twice: moved, with another one at the old place
	added     []pack.Dir          // directories that are not samples of the shard, and are new or have new files
	rootFiles []pack.DirFile      // new files in the root
}

// walk reads the upper tree. Its time depends only on the number of changes.
func (o *Overlay) walk() (c *changes, err error) {
	err = retryIfMoved(func() error {
		c, err = o.walkOnce()
		return err
	})
	return c, err
}

// walkOnce is one attempt at walk. It may find a moved directory after it has read its old place, so it reads the tree
// again until it finds no more moved directories.
func (o *Overlay) walkOnce() (*changes, error) {
	var c *changes
	moved := make(map[index.Dir]bool)
	for known := -1; known < len(moved); {
		known = len(moved)
		c = &changes{places: make(map[index.Dir]place), gone: make(map[index.Dir]bool), moved: moved}
		root := upperDir{lower: lowerDir{dir: index.Root, ok: true}}
		if err := o.walkDir(c, root); err != nil {
			return nil, err
		}
	}
	for d := range c.places {
		delete(c.gone, d) // moved, not deleted
	}
	pack.SortDirs(c.added)
	return c, nil
}

// retryIfMoved calls f again, for up to two seconds, while f fails because a directory was moved or deleted before f
// could read it.
func retryIfMoved(f func() error) error {
	policy := retry.Policy{Limit: 2 * time.Second}
	isMoved := retry.Is(unix.ENOENT, unix.ENOTDIR)
	tries := 0
	err := retry.While(context.Background(), policy, isMoved, func() error {
		tries++
		return f()
	})
	if err != nil && isMoved(err) {
		return fmt.Errorf("directories were renamed or deleted during each of %d attempts to read them: %w", tries, err)
	}
	return err
}

// upperDir is a directory of the upper tree.
type upperDir struct {
	path  string
	lower lowerDir
	owned bool // additions in it belong to a sample or to an added directory
}

// lowerDir is the directory of the shard that a directory of the upper tree is merged with.
type lowerDir struct {
	dir    index.Dir
	ok     bool // there is one
	opaque bool // its entries are not visible
}

// child returns the directory of the shard that is visible under a name in a directory.
func (o *Overlay) child(l lowerDir, name string) (index.Dir, bool) {
	if !l.ok || l.opaque {
		return 0, false
	}
	return o.Shard.Index.Child(l.dir, name)
}

// walkDir reads one directory of the upper tree and its subdirectories.
func (o *Overlay) walkDir(c *changes, dir upperDir) error {
	entries, err := o.upper.listUnlocked(dir.path)
	if err != nil {
		return err
	}
	var files []pack.DirFile // files outside samples
	for _, e := range entries {
		name := path.Join(dir.path, e.name)
		if isDir(&e.stat) {
			if err := o.walkSubdir(c, dir, name); err != nil {
				return err
			}
			continue
		}
		if child, ok := o.child(dir.lower, e.name); ok {
			c.gone[child] = true
		}
		if !dir.owned && !isWhiteout(&e.stat) {
			files = append(files, o.file(name, &e.stat))
		}
	}
	switch {
	case dir.path == "":
		c.rootFiles = files
	case len(files) > 0:
		c.added = append(c.added, pack.Dir{Path: dir.path, Files: files})
	}
	return nil
}

// walkSubdir reads the directory at name, a subdirectory of dir.
func (o *Overlay) walkSubdir(c *changes, dir upperDir, name string) error {
	lower, err := o.lowerOf(name, dir.lower, c.moved)
	if err != nil {
		return err
	}
	if child, ok := o.child(dir.lower, path.Base(name)); ok && (!lower.ok || lower.dir != child) {
		c.gone[child] = true
	}
	sub := upperDir{path: name, lower: lower, owned: true}
	switch {
	case lower.ok:
		if _, twice := c.places[lower.dir]; twice {
			c.moved[lower.dir] = true
		}
		c.places[lower.dir] = place{name, lower.opaque}
		_, sub.owned = o.Shard.Index.SampleIn(lower.dir)
	case !dir.owned:
		added, err := o.added(name)
		if err != nil {
			return err
		}
		c.added = append(c.added, added)
	}
	return o.walkDir(c, sub)
}

// lowerOf returns the directory of the shard that the upper directory at name is merged with; parent is that of its
// parent. An opaque directory replaces the shard's directory of the same name, unless that is in moved: then it was
// added.
func (o *Overlay) lowerOf(name string, parent lowerDir, moved map[index.Dir]bool) (lowerDir, error) {
	redirect, err := o.upper.redirect(name)
	if err != nil {
		return lowerDir{}, err
	}
	if strings.HasPrefix(redirect, "/") {
		d, ok := o.Shard.Index.Find(redirect[1:])
		return lowerDir{dir: d, ok: ok}, nil
	}
	if !parent.ok || parent.opaque {
		return lowerDir{}, nil
	}
	if redirect != "" {
		d, ok := o.child(parent, redirect)
		return lowerDir{dir: d, ok: ok}, nil
	}
	opaque, err := o.upper.isOpaque(name)
	if err != nil {
		return lowerDir{}, err
	}
	d, ok := o.child(parent, path.Base(name))
	return lowerDir{dir: d, ok: ok && !(opaque && moved[d]), opaque: opaque}, nil
}

// where returns the place of a directory of the shard; false if it was deleted.
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
