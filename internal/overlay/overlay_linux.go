package overlay

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/pack"
)

// Overlay is a shard with the changes over it. Each call sees the changes as they are then. It is safe for concurrent
// use, and works beside a [Tree] that changes the same scratch directory, in this process or another.
type Overlay struct {
	Shard *shard.Shard

	upper   *upper
	scratch *scratch.Scratch
}

// New returns the overlay of a scratch directory over its shard. The caller must close both.
func New(s *scratch.Scratch, sh *shard.Shard) (*Overlay, error) {
	u, err := openUpper(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Dir, err)
	}
	return &Overlay{Shard: sh, upper: u, scratch: s}, nil
}

// Close closes the overlay, but neither the shard nor the scratch directory.
func (o *Overlay) Close() error { return o.upper.close() }

// Dirs yields the directories of the samples as they are now: those of the shard in tar order, then added ones by path,
// and last the root with added files. It ends at the first error.
func (o *Overlay) Dirs() iter.Seq2[pack.Dir, error] {
	return func(yield func(pack.Dir, error) bool) {
		c, err := o.walk()
		if err != nil {
			yield(pack.Dir{}, err)
			return
		}
		for n := range o.Shard.Index.Samples() {
			dir, ok, err := o.dirAtPlace(c, n)
			if err != nil { // the directory may have been moved since
				err = retryIfMoved(func() error {
					if c, err = o.walkOnce(); err == nil {
						dir, ok, err = o.dirAtPlace(c, n)
					}
					return err
				})
			}
			if (ok || err != nil) && !yield(dir, err) || err != nil {
				return
			}
		}
		for _, dir := range append(c.added, pack.Dir{Files: c.rootFiles}) {
			if !yield(dir, nil) {
				return
			}
		}
	}
}

// dirAtPlace returns the directory of one sample at its current place; false if it was deleted.
func (o *Overlay) dirAtPlace(c *changes, number int) (pack.Dir, bool, error) {
	x := o.Shard.Index
	p, ok := o.where(c, x.DirOf(number))
	if !ok {
		return pack.Dir{}, false, nil
	}
	sample := x.Sample(number)
	dir := pack.Dir{Path: p.path, Sample: &sample, Renamed: p.path != sample.Path, Untouched: true}
	if _, changed := c.places[x.DirOf(number)]; !changed {
		return dir, true, nil
	}
	dir, err := o.read(dir, p.opaque, c.moved)
	return dir, true, err
}

// SampleDir returns the directory of one sample as it is now, at the sample's original path; false if it was deleted or
// moved. It reads only this sample.
func (o *Overlay) SampleDir(number int) (dir pack.Dir, ok bool, err error) {
	err = retryIfMoved(func() error {
		dir, ok, err = o.sampleDirOnce(number)
		return err
	})
	return dir, ok, err
}

// sampleDirOnce is one attempt at SampleDir.
func (o *Overlay) sampleDirOnce(number int) (pack.Dir, bool, error) {
	x := o.Shard.Index
	sample := x.Sample(number)
	dir := pack.Dir{Path: sample.Path, Sample: &sample, Untouched: true}
	var dirs []index.Dir
	for d := x.DirOf(number); d != index.Root; d = x.Parent(d) {
		dirs = append(dirs, d)
	}
	at, lower := "", lowerDir{dir: index.Root, ok: true}
	for _, d := range slices.Backward(dirs) {
		if lower.opaque {
			return pack.Dir{}, false, nil // deleted with a directory above it
		}
		at = path.Join(at, x.Name(d))
		st, err := o.upper.stat(at)
		if err == unix.ENOENT {
			return dir, true, nil
		}
		if err != nil {
			return pack.Dir{}, false, err
		}
		if !isDir(&st) {
			return pack.Dir{}, false, nil
		}
		if lower, err = o.lowerOf(at, lower, nil); err != nil || !lower.ok || lower.dir != d {
			return pack.Dir{}, false, err
		}
	}
	dir, err := o.read(dir, lower.opaque, nil)
	return dir, true, err
}

// read completes the entries of a sample of the shard that has a directory in the upper tree.
func (o *Overlay) read(dir pack.Dir, opaque bool, moved map[index.Dir]bool) (pack.Dir, error) {
	entries, err := o.upper.list(dir.Path)
	if err != nil {
		return dir, err
	}
	x := o.Shard.Index
	dir.Untouched = false
	dir, err = o.readEntries(dir, entries, lowerDir{dir: x.DirOf(dir.Sample.Number), ok: true, opaque: opaque}, moved)
	if err == nil {
		err = o.findUnchanged(&dir)
	}
	if err != nil || opaque {
		return dir, err
	}
	hidden := make(map[string]bool, len(entries))
	for _, e := range entries {
		hidden[e.name] = true
	}
	unchanged := pack.MemberFiles(x, *dir.Sample, func(name string) bool { return !hidden[name] })
	dir.Files = append(dir.Files, unchanged...)
	return dir, nil
}

// findUnchanged marks the files of a sample's directory that are in the upper tree, but have the size, the time in whole
// seconds and the bytes of their member, as a file has that was only opened for writing.
func (o *Overlay) findUnchanged(dir *pack.Dir) error {
	x := o.Shard.Index
	members := make(map[string]pack.DirFile)
	for _, m := range pack.MemberFiles(x, *dir.Sample, func(string) bool { return len(dir.Files) > 0 }) {
		members[m.Name] = m
	}
	for i, file := range dir.Files {
		m, ok := members[file.Name]
		if !ok || !file.Mode.IsRegular() || m.Size != file.Size || m.ModTime.Unix() != file.ModTime.Unix() {
			continue
		}
		same, err := pack.SameContent(pack.Base{Index: x, Plain: o.Shard.Bytes()}, m.Row, file)
		if err != nil {
			return err
		}
		if same {
			dir.Files[i] = m
		}
	}
	return nil
}

// added reads a directory of the upper tree that is not one of the shard.
func (o *Overlay) added(name string) (pack.Dir, error) {
	dir := pack.Dir{Path: name}
	entries, err := o.upper.list(name)
	if err != nil {
		return dir, err
	}
	return o.readEntries(dir, entries, lowerDir{}, nil)
}

// readEntries adds the entries of a directory of the upper tree to dir. It leaves out subdirectories that stand for
// directories of the shard, because those are other samples or lead to some.
func (o *Overlay) readEntries(
	dir pack.Dir, entries []entry, lower lowerDir, moved map[index.Dir]bool) (pack.Dir, error) {

	for _, e := range entries {
		name := path.Join(dir.Path, e.name)
		switch {
		case isWhiteout(&e.stat):
		case isDir(&e.stat):
			sub, err := o.lowerOf(name, lower, moved)
			if err != nil {
				return dir, err
			}
			if sub.ok {
				continue
			}
			added, err := o.added(name)
			if err != nil {
				return dir, err
			}
			dir.Dirs = append(dir.Dirs, added)
		default:
			dir.Files = append(dir.Files, o.file(name, &e.stat))
		}
	}
	return dir, nil
}

// file describes a file of the upper tree.
func (o *Overlay) file(name string, st *unix.Stat_t) pack.DirFile {
	return pack.DirFile{
		Name: path.Base(name), Row: pack.Changed, Size: st.Size, Mode: fileMode(st.Mode),
		ModTime: time.Unix(st.Mtim.Unix()),
		Open: func() (fs.File, error) {
			fd, err := o.upper.open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0) // in the meantime it may have become a FIFO
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
