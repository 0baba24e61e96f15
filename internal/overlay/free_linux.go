package overlay

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Free removes the changes of one sample, to save space. Those of other samples in its directory stay. Mounted, if not
// nil, is the root of a mount by the kernel's overlayfs, which keeps the files that it has shown, and their space,
// until they are removed through the mount.
func (o *Overlay) Free(number int, mounted *os.Root) error {
	x := o.Shard.Index
	d := x.DirOf(number)
	dir := x.Path(d)
	_, shared := x.FirstChild(d)
	entries, err := o.upper.list(dir)
	switch {
	case err == unix.ENOENT: // no changes
		return nil
	case err == unix.ENOTDIR && shared: // the directory was deleted with its samples
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
		return nil // a directory above it was deleted
	}
	for _, e := range own {
		if err := removeAll(o.upper.dir, path.Join(dir, e.name)); err != nil {
			return err
		}
	}
	return nil
}
