package gallery

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/pack"
)

// The changes of a sample or a member in a mount.
const (
	added   = "added"
	changed = "changed"
	deleted = "deleted"
	renamed = "renamed" // of a sample alone
)

// entry is a sample as it is shown.
type entry struct {
	key     string
	from    string // of a renamed sample its key in the shard; else ""
	change  string // "" if there is none
	members []member

	start, end int64 // the plain bytes of the shard that have it; 0, 0 if it is not of one
}

// member is a member of an entry.
type member struct {
	ext    string
	size   int64
	mtime  time.Time // zero if that is not known
	change string

	row  int           // in the shard, as it was before any change; none if it was not there
	file *pack.DirFile // its content as it is now, unless that is the member's in the shard
}

// none is the row of a member that is not in a shard.
const none = -1

// name returns the member's name.
func (e *entry) name(m int) string { return e.key + "." + e.members[m].ext }

// memberEntry returns the entry of a sample of a shard that nothing has changed.
func memberEntry(x *index.Index, number int) entry {
	s := x.Sample(number)
	e := entry{key: s.Key, start: x.Offset(s.Start), end: x.Offset(s.End)}
	e.members = make([]member, 0, s.End-s.Start)
	for row := s.Start; row < s.End; row++ {
		if x.InSample(row) {
			e.members = append(e.members, rowMember(x, row))
		}
	}
	return e
}

// rowMember returns a member of a shard.
func rowMember(x *index.Index, row int) member {
	m := x.Member(row)
	return member{ext: m.Ext, size: m.Size, mtime: m.ModTime, row: row}
}

// content is the content of a member. It must be closed.
type content struct {
	io.ReaderAt
	size  int64
	close io.Closer // nil if there is nothing to close
}

// Close closes the content.
func (c *content) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close.Close()
}

// reader returns a reader of all of the content.
func (c *content) reader() *io.SectionReader { return io.NewSectionReader(c, 0, c.size) }

// errSpecial means that a file is neither a regular one nor one in memory.
var errSpecial = fmt.Errorf("not a regular file: %w", fs.ErrInvalid)

// openRow opens a member of a shard. Reads end with ctx.
func openRow(ctx context.Context, sh *shard.Shard, x *index.Index, row int) (*content, error) {
	if err := sh.Unchanged(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", sh.Name, err)
	}
	r, err := x.Open(row, sh.Reader(ctx))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sh.Name, err)
	}
	return &content{r, r.Size(), nil}, nil
}

// openFile opens a file of a changed sample or of a directory. Reads end with ctx.
func openFile(ctx context.Context, f *pack.DirFile) (*content, error) {
	file, err := f.Open()
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	r, ok := file.(io.ReaderAt)
	if err == nil && (!info.Mode().IsRegular() || !ok) {
		err = errSpecial
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return &content{untilDone{ctx, r}, info.Size(), file}, nil
}

// untilDone reads until a context ends.
type untilDone struct {
	ctx context.Context // of the request that reads
	r   io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (u untilDone) ReadAt(p []byte, off int64) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.ReadAt(p, off)
}
