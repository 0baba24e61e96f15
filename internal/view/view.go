// Package view shows a shard as a tree of numbered files and directories, without changes.
//
// A [View] computes everything from the index at each call. The number of a file contains its row in the index, and a
// place in a listing contains the row with which the listing continues, so a View keeps no state between calls. A [Set]
// shows many shards side by side and opens only those in use.
package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
)

// Ino is the number of a file or directory: a kind and a row of the index.
type Ino uint64

// Root is the number of the root.
const Root Ino = 1

// Kinds of files and directories.
const (
	kindDir    Ino = iota + 1 // row of a directory
	kindKey                   // number of a sample
	kindSource                // number of a sample
	kindMember                // row of a member
	kindOther                 // not in the shard

	kindShift = 40
)

// inoBits is how many bits the numbers of one shard have. A Set uses the bits above.
const inoBits = 43

// FirstOther is the least of the numbers that no file of a shard has. They are free for added files.
const FirstOther = kindOther << kindShift

func (i Ino) kind() Ino { return i >> kindShift }
func (i Ino) row() int  { return int(i & (1<<kindShift - 1)) }

// IsOther reports whether a number is not that of a file or directory of the shard.
func (i Ino) IsOther() bool { return i.kind() == kindOther }

// IsDir reports whether a number is that of a directory of the shard.
func (i Ino) IsDir() bool { return i == Root || i.kind() == kindDir }

// DirIno returns the number of a directory.
func DirIno(d index.Dir) Ino {
	if d == index.Root {
		return Root
	}
	return kindDir<<kindShift | Ino(d)
}

// Dir returns the directory with a number.
func (i Ino) Dir() (d index.Dir, ok bool) {
	if i == Root {
		return index.Root, true
	}
	return index.Dir(i.row()), i.kind() == kindDir
}

// Attr describes a file or directory.
type Attr struct {
	Ino     Ino
	Mode    uint32 // type and permissions, as in stat(2)
	Size    int64
	Blocks  int64 // of 512 bytes
	Nlink   uint32
	Uid     uint32
	Gid     uint32
	Rdev    uint32
	Atime   time.Time
	Mtime   time.Time
	Ctime   time.Time
	BlkSize uint32
}

// DirEntry is one name of a directory.
type DirEntry struct {
	Name string
	Ino  Ino // 0 if only a lookup would find it
	Mode uint32
	Next uint64 // where a listing continues after it
}

// View shows one shard. It is safe for concurrent use.
type View struct {
	Shard *shard.Shard
	Uid   uint32 // owner of its files
	Gid   uint32
	made  time.Time // time of the directories above samples
	ahead ahead

	nearEnd func() // called once, when samples are read in order and the last tenth of them begins; nil: nothing

	readers sync.Pool // of *shardReader, so that reads do not allocate
}

// New returns the view of a shard, which the caller must close. The files belong to the user of this process.
func New(sh *shard.Shard) *View {
	return &View{Shard: sh, Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), made: sh.ModTime()}
}

// ErrShard means that the content of a file cannot be read from the shard.
var ErrShard = errors.New("read shard")

// asShardError wraps an error in ErrShard, with the name of the shard, unless it is one.
func asShardError(sh *shard.Shard, err error) error {
	if errors.Is(err, ErrShard) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", sh.Name, ErrShard, err)
}

// Growing reports whether the shard is still being indexed.
func (v *View) Growing() bool { return v.Shard.Growing() }

// Err returns an ErrShard if the whole index of the shard has turned out to be false. Results since then may be wrong.
func (v *View) Err() error {
	if err := v.Shard.Index.Err(); err != nil {
		return asShardError(v.Shard, err)
	}
	return nil
}

// Wait calls found until it returns true, the shard is indexed, or ctx ends. While the shard is being indexed, all
// methods of the view except ReadAt must be called within found. The error is ErrShard or EINTR.
func (v *View) Wait(ctx context.Context, found func() bool) error {
	err := v.Shard.Wait(ctx, func(*index.Index) bool { return found() })
	return v.shardError(ctx, err)
}

// shardError converts an error of the shard for a file system: to EINTR if ctx has ended, else to ErrShard.
func (v *View) shardError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return unix.EINTR
	}
	return asShardError(v.Shard, err)
}

// Dirs returns the number of directories.
func (v *View) Dirs() int { return v.Shard.Index.Dirs() }

// IsSample reports whether a directory is that of a sample.
func (v *View) IsSample(dir Ino) bool {
	d, ok := dir.Dir()
	if ok {
		_, ok = v.Shard.Index.SampleIn(d)
	}
	return ok
}

// Child returns the number of the file or directory with a name in a directory.
func (v *View) Child(d index.Dir, name string) (Ino, bool) {
	x := v.Shard.Index
	if number, ok := x.SampleIn(d); ok {
		switch name {
		case index.KeyFile:
			return kindKey<<kindShift | Ino(number), true
		case index.SourceFile:
			return kindSource<<kindShift | Ino(number), true
		}
		if row, ok := x.FindFile(number, name); ok {
			return kindMember<<kindShift | Ino(row), true
		}
	}
	child, ok := x.Child(d, name)
	return DirIno(child), ok
}

// Lookup returns the file or directory of that name in a directory.
func (v *View) Lookup(dir Ino, name string) (Attr, error) {
	if len(name) > unix.NAME_MAX {
		return Attr{}, unix.ENAMETOOLONG
	}
	d, ok := dir.Dir()
	if !ok {
		return Attr{}, unix.ENOTDIR
	}
	ino, ok := v.Child(d, name)
	if !ok {
		return Attr{}, unix.ENOENT
	}
	return v.Attr(ino), nil
}

// Location returns the parent of a file or directory other than the root, and its name there.
func (v *View) Location(ino Ino) (dir Ino, name string) {
	x := v.Shard.Index
	row := ino.row()
	switch ino.kind() {
	case kindKey:
		return DirIno(x.DirOf(row)), index.KeyFile
	case kindSource:
		return DirIno(x.DirOf(row)), index.SourceFile
	case kindMember:
		return DirIno(x.DirOf(x.SampleOfRow(row))), x.FileName(row)
	}
	return DirIno(x.Parent(index.Dir(row))), x.Name(index.Dir(row))
}

// DirLinks returns the link count of a directory: 2 if it has no subdirectories, else 1, which tools such as find
// understand as unknown.
func (v *View) DirLinks(d index.Dir) uint32 {
	if _, ok := v.Shard.Index.FirstChild(d); ok {
		return 1
	}
	return 2
}

// Attr describes the file or directory with a number.
func (v *View) Attr(ino Ino) Attr {
	x := v.Shard.Index
	a := Attr{Ino: ino, Mode: unix.S_IFREG | 0o644, Nlink: 1, Uid: v.Uid, Gid: v.Gid, BlkSize: 4096}
	row := ino.row()
	switch ino.kind() {
	case kindKey:
		a.Size, a.Mtime = int64(len(x.Key(row))), x.ModTime(x.Sample(row).Start)
	case kindSource:
		a.Size, a.Mtime = int64(len(v.Shard.Name)), x.ModTime(x.Sample(row).Start)
	case kindMember:
		var data int64
		data, a.Size = x.Content(row)
		a.Mtime, a.Blocks = x.ModTime(row), (x.Offset(row+1)-data)/512 // holes are not stored
	default:
		d, _ := ino.Dir()
		a.Mode, a.Nlink, a.Mtime = unix.S_IFDIR|0o755, v.DirLinks(d), v.made
		if number, ok := x.SampleIn(d); ok {
			a.Mtime = x.ModTime(x.Sample(number).Start)
		}
	}
	if ino.kind() != kindMember {
		a.Blocks = (a.Size + 511) / 512
	}
	a.Atime, a.Ctime = a.Mtime, a.Mtime
	return a
}

// ReadAt reads the content of a file. At its end it returns fewer bytes and no error. If the shard has been written to
// since it was opened, ReadAt fails, because the bytes at the member's place may be anything. The error is ErrShard,
// EISDIR, or EINTR if ctx ended first.
func (v *View) ReadAt(ctx context.Context, ino Ino, p []byte, off int64) (n int, err error) {
	r := v.reader(ctx)
	defer v.release(r)
	var content io.ReaderAt
	waitErr := v.Wait(context.Background(), func() bool {
		if ino.kind() == kindMember && !v.Growing() {
			v.reading(ino.row())
		}
		content, err = v.open(ino, r)
		return true
	})
	switch {
	case err == unix.EISDIR:
		return 0, err
	case err != nil:
		return 0, v.shardError(ctx, err)
	case waitErr != nil:
		return 0, waitErr
	}
	if n, err = content.ReadAt(p, off); err == io.EOF {
		err = nil
	}
	return n, v.shardError(ctx, err)
}

// Data returns the first run of bytes that ends after off in a file and is not a hole; false if the rest is a hole.
func (v *View) Data(ino Ino, off int64) (index.Extent, bool) {
	if ino.kind() == kindMember {
		return v.Shard.Index.Data(ino.row(), off)
	}
	size := v.Attr(ino).Size
	return index.Extent{Len: size}, off < size
}

// Seek is lseek(2) with SEEK_DATA or SEEK_HOLE. The error is that of the system call.
func (v *View) Seek(ino Ino, off int64, whence int) (int64, error) {
	if size := v.Attr(ino).Size; off < 0 || off >= size {
		return 0, unix.ENXIO
	}
	data, ok := v.Data(ino, off)
	switch {
	case whence == unix.SEEK_DATA && ok:
		return max(off, data.Off), nil
	case whence == unix.SEEK_DATA:
		return 0, unix.ENXIO
	case whence != unix.SEEK_HOLE:
		return 0, unix.EINVAL
	case ok && data.Off <= off:
		return data.Off + data.Len, nil
	}
	return off, nil
}

func (v *View) open(ino Ino, r *shardReader) (io.ReaderAt, error) {
	switch ino.kind() {
	case kindKey:
		return strings.NewReader(v.Shard.Index.Key(ino.row())), nil
	case kindSource:
		return strings.NewReader(v.Shard.Name), nil
	case kindMember:
		return v.Shard.Index.Open(ino.row(), r)
	}
	return nil, unix.EISDIR
}

// shardReader reads plain bytes of a shard for one call of ReadAt at a time.
type shardReader struct {
	*shard.Shard
	ctx context.Context // context of that call
}

func (r *shardReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Shard.ReadAt(r.ctx, p, off)
	if changed := r.Unchanged(r.ctx); changed != nil {
		return 0, asShardError(r.Shard, changed)
	}
	if n == len(p) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, asShardError(r.Shard, err)
}

// Places in a listing. 0 is its beginning; the others are a kind and the row of the next entry.
const (
	atKey    = 1 << kindShift // the sample's two files
	atSource = 2 << kindShift
	atMember = 3 << kindShift // rows of members
	atChild  = 4 << kindShift // rows of directories

	// AfterAll and all greater places are after all entries of a directory.
	AfterAll = 5 << kindShift
)

// Entries yields the entries of a directory, starting at a place, without "." and "..", in tar order. It returns false
// if yield did.
func (v *View) Entries(d index.Dir, from uint64, yield func(DirEntry) bool) bool {
	x := v.Shard.Index
	if number, ok := x.SampleIn(d); ok && from < atChild {
		if from < atKey && !yield(DirEntry{index.KeyFile, kindKey<<kindShift | Ino(number), unix.S_IFREG, atKey}) {
			return false
		}
		source := DirEntry{index.SourceFile, kindSource<<kindShift | Ino(number), unix.S_IFREG, atSource}
		if from < atSource && !yield(source) {
			return false
		}
		sample := x.Sample(number)
		row := sample.Start
		if from >= atMember {
			row = int(from-atMember) + 1
		}
		for ; row < sample.End; row++ {
			if !x.InSample(row) {
				continue
			}
			ino := kindMember<<kindShift | Ino(row)
			if !yield(DirEntry{x.FileName(row), ino, unix.S_IFREG, atMember + uint64(row)}) {
				return false
			}
		}
	}
	if from >= AfterAll {
		return true
	}
	child, ok := x.FirstChild(d)
	if from >= atChild {
		child, ok = x.Sibling(index.Dir(from - atChild))
	}
	for ; ok; child, ok = x.Sibling(child) {
		if !yield(DirEntry{x.Name(child), DirIno(child), unix.S_IFDIR, atChild + uint64(child)}) {
			return false
		}
	}
	return true
}
