package indexformat

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/shardfs/shardfs/index"
)

// Imported is what another tool's index says of a shard. It is consistent in itself, and not proven.
type Imported struct {
	Format  Format
	row     *row
	size    int64    // plain bytes of the shard
	samples int      // 0 for HuggingFace, which does not say it
	members []member // in tar order; none for Energon
	named   bool     // members have names
	grouped bool     // members have samples and extensions
	starts  []int64  // Energon: of the samples, and of the end marker
	whole   []byte   // SHA-256 of the shard; nil if not stated
	blob    []byte   // SHA-1 of the shard as a Git blob; nil if not stated

	last map[string]int64 // offset of the last member of each name; made by hasLater
}

// member is a regular file of a tar.
type member struct {
	name, ext    string
	offset, size int64 // of the content
	sample       int
	sum          *[sha256.Size]byte // of the content; nil if not stated
}

// Import reads an index of a shard that has this many plain bytes. It needs memory in proportion to what it reads, which
// is at most what an index of such a shard can be.
func Import(r io.Reader, f Format, size int64) (*Imported, error) {
	if size < 0 || size > math.MaxInt64/16 {
		return nil, fmt.Errorf("%s: a shard of %d bytes", f, size)
	}
	row, err := f.row()
	if err != nil {
		return nil, err
	}
	if row.read == nil {
		return nil, fmt.Errorf("%s: %w: it cannot be imported", f, ErrUnknownFormat)
	}
	im := &Imported{Format: f, row: row, size: size}
	// No format needs more bytes for a member than sixteen times those of its headers.
	limit := &io.LimitedReader{R: r, N: 16*size + 1<<20}
	err = row.read(im, limit)
	if limit.N == 0 {
		err = fmt.Errorf("%w: it is too large for a shard of %d bytes", ErrMalformed, size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return im, nil
}

// add adds the next member, which has to lie behind the one before, and in the shard.
func (im *Imported) add(m member) error {
	least := int64(index.BlockSize) // its header
	if n := len(im.members); n > 0 {
		last := im.members[n-1]
		least += last.offset + padded(last.size)
	}
	switch {
	case m.offset < least:
		return fmt.Errorf("%w: a member at byte %d, where the one before leaves no room before %d", ErrMalformed, m.offset, least)
	case m.offset%index.BlockSize != 0:
		return fmt.Errorf("%w: a member at byte %d, no multiple of %d", ErrMalformed, m.offset, index.BlockSize)
	case m.size < 0 || m.size > im.size || m.offset > im.size-padded(m.size):
		return fmt.Errorf("%w: a member of %d bytes at byte %d, in a shard of %d", ErrMalformed, m.size, m.offset, im.size)
	}
	im.members = append(im.members, m)
	return nil
}

// Check compares the hint with an index that was built from the shard. The error is ErrDiffers with the first difference.
// For entries outside samples the tools have different rules: one that the hint tells has to be there, but it need not
// tell any.
func (im *Imported) Check(x *index.Index) error {
	if err := im.row.check(im, x); err != nil {
		return fmt.Errorf("%s: %w", im.Format, err)
	}
	return nil
}

func (im *Imported) checkMembers(x *index.Index) error {
	next := 0                    // the row after that of the last member
	theirLast, ourLast := -1, -1 // samples of the last member
	for _, m := range im.members {
		row, found := sort.Find(x.Rows(), func(row int) int {
			data, _ := x.Content(row)
			return cmp.Compare(m.offset, data)
		})
		if err := im.checkMissing(x, next, row); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: no member starts at byte %d, where theirs is %s", ErrDiffers, m.offset, m)
		}
		next = row + 1
		e := lookup(x, row)
		switch {
		case im.named && m.name != e.name && m.name != listed(e.name) && m.name != readable(e.name):
			return fmt.Errorf("%w: at byte %d: theirs is %s, ours %q", ErrDiffers, m.offset, m, e.name)
		case m.size != e.Size:
			return fmt.Errorf("%w: member %q: theirs has %d bytes, ours %d", ErrDiffers, e.name, m.size, e.Size)
		case !im.grouped || !e.InSample:
			continue
		case m.ext != e.Ext && m.ext != listed(e.Ext):
			return fmt.Errorf("%w: member %q: extension %q, ours is %q", ErrDiffers, e.name, m.ext, e.Ext)
		case (m.sample == theirLast) != (e.sample == ourLast):
			return fmt.Errorf("%w: member %q: in their sample %d, in ours %d", ErrDiffers, e.name, m.sample, e.sample)
		}
		theirLast, ourLast = m.sample, e.sample
	}
	return im.checkMissing(x, next, x.Rows())
}

// checkMissing fails if one of the rows from next up to end, none of which the imported index has, should be in it.
func (im *Imported) checkMissing(x *index.Index, next, end int) error {
	for row := next; row < end; row++ {
		if !x.InSample(row) {
			continue
		}
		if e := lookup(x, row); !im.row.omits(im, x, e) {
			return fmt.Errorf("%w: member %q at byte %d is missing", ErrDiffers, e.name, e.Data)
		}
	}
	return nil
}

// String returns what an error calls a member.
func (m member) String() string {
	if m.name == "" {
		return fmt.Sprintf("one with extension %q", m.ext)
	}
	return fmt.Sprintf("%q", m.name)
}

// lookup returns the entry in a row.
func lookup(x *index.Index, row int) entry {
	e := entry{Member: x.Member(row)}
	if !e.InSample {
		e.name = x.OutsideName(row)
		return e
	}
	e.sample = x.SampleOfRow(row)
	e.name = x.Key(e.sample) + "." + e.Ext
	return e
}

// readable returns a name with a replacement character for each byte that is not of UTF-8: JSON cannot say them otherwise.
func readable(name string) string { return string([]rune(name)) }

// Verify reads the whole shard, once, and compares its bytes with the digests that the hint has. It reports whether it has
// any.
func (im *Imported) Verify(plain io.ReaderAt) (digests bool, err error) {
	var with []int // members that have a digest
	for i, m := range im.members {
		if m.sum != nil {
			with = append(with, i)
		}
	}
	if with == nil && im.whole == nil && im.blob == nil {
		return false, nil
	}
	n := 0
	d := newDigester(plain, im.size, func() (span, bool) {
		if n == len(with) {
			return span{}, false
		}
		m := im.members[with[n]]
		n++
		return span{m.offset, m.size}, true
	})
	if err := d.finish(); err != nil {
		return true, fmt.Errorf("%s: %w", im.Format, err)
	}
	for i, sum := range d.sums {
		if m := im.members[with[i]]; sum != *m.sum {
			return true, fmt.Errorf("%s: %w: member %s: SHA-256 %x, ours is %x", im.Format, ErrDiffers, m, *m.sum, sum)
		}
	}
	if sum := d.whole.Sum(nil); im.whole != nil && !bytes.Equal(sum, im.whole) {
		return true, fmt.Errorf("%s: %w: SHA-256 %x, ours is %x", im.Format, ErrDiffers, im.whole, sum)
	}
	if sum := d.blob.Sum(nil); im.blob != nil && !bytes.Equal(sum, im.blob) {
		return true, fmt.Errorf("%s: %w: Git blob %x, ours is %x", im.Format, ErrDiffers, im.blob, sum)
	}
	return true, nil
}
