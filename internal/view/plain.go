package view

import "context"

// MemberIno returns the number of the file of the member in a row.
func MemberIno(row int) Ino { return kindMember<<kindShift | Ino(row) }

// KeyIno returns the number of the file with the key of a sample.
func KeyIno(number int) Ino { return kindKey<<kindShift | Ino(number) }

// SourceIno returns the number of the file with the shard's name in the directory of a sample.
func SourceIno(number int) Ino { return kindSource<<kindShift | Ino(number) }

// Member returns the row of the member that a file is.
func (i Ino) Member() (row int, ok bool) { return i.row(), i.kind() == kindMember }

// Key returns the number of the sample whose key a file contains.
func (i Ino) Key() (number int, ok bool) { return i.row(), i.kind() == kindKey }

// ReadPlain reads plain bytes of the shard for a kernel that finds the members in them by itself. As ReadAt does, it
// compares headers with the index, tells the shard which bytes will be read, and fails if the shard has been written to
// since it was opened. Fewer bytes than asked for are an error. The index must be whole. The error is ErrShard, or EINTR
// if ctx ended first.
func (v *View) ReadPlain(ctx context.Context, p []byte, off int64) (n int, err error) {
	r := v.reader(ctx)
	defer v.release(r)
	x, end := v.Shard.Index, off+int64(len(p))
	for row := x.RowAt(off); row < x.Rows() && x.Offset(row) < end; row++ {
		data, _ := x.Content(row)
		if !x.InSample(row) || data >= end || x.Offset(row+1) <= off {
			continue
		}
		v.reading(row)
		if err := x.Check(row, r); err != nil {
			return 0, v.shardError(ctx, err)
		}
	}
	if n, err = r.ReadAt(p, off); err == nil {
		err = v.Err()
	}
	return n, v.shardError(ctx, err)
}

// CheckSample compares all members of a sample with their headers, as it is done when they are first read. The index
// must be whole. The error is ErrShard, or EINTR if ctx ended first.
func (v *View) CheckSample(ctx context.Context, number int) error {
	r := v.reader(ctx)
	defer v.release(r)
	x := v.Shard.Index
	start, end := x.SampleRows(number)
	for row := start; row < end; row++ {
		if !x.InSample(row) {
			continue
		}
		if err := x.Check(row, r); err != nil {
			return v.shardError(ctx, err)
		}
	}
	return nil
}

// reader returns a reader of the shard's plain bytes for one call, which release ends.
func (v *View) reader(ctx context.Context) *shardReader {
	r, _ := v.readers.Get().(*shardReader)
	if r == nil {
		r = &shardReader{Shard: v.Shard}
	}
	r.ctx = ctx
	return r
}

func (v *View) release(r *shardReader) {
	r.ctx = nil
	v.readers.Put(r)
}
