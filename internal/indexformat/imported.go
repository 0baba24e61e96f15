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

// Imported is an index of another tool that was imported. It is consistent, but not verified against the shard.
type Imported struct {
	format  Format
	row     *row
	size    int64    // plain bytes of the shard
	samples int      // number of samples; 0 for HuggingFace, which does not have it
	members []member // in tar order; none for Energon
	named   bool     // members have names
	grouped bool     // members have samples and extensions
	starts  []int64  // for Energon: offsets of the samples and of the end marker
	whole   []byte   // SHA-256 of the shard; nil if not stated
	blob    []byte   // SHA-1 of the shard as a Git blob; nil if not stated

	last map[string]int64 // offset of the last member of each name; made by hasLater
}

// member is a regular file of a tar.
type member struct {
	name, ext    string
	offset, size int64 // place of the content
	sample       int
	sum          *[sha256.Size]byte // digest of the content; nil if not stated
}

// Import reads an index of a shard of size plain bytes. It needs memory in proportion to the length of the index, and
// rejects an index that is too long for such a shard.
func Import(r io.Reader, f Format, size int64) (*Imported, error) {
	if size < 0 || size > math.MaxInt64/16 {
		return nil, fmt.Errorf("%s: a shard of %d bytes", f, size)
	}
	row, err := f.row()
	if err != nil {
		return nil, err
	}
	if row.read == nil {
		return nil, fmt.Errorf("%s: %w: it can only be exported", f, ErrUnknownFormat)
	}
	im := &Imported{format: f, row: row, size: size}
	// No format needs more than 16 times as many bytes for a member as its headers.
	limit := &io.LimitedReader{R: r, N: 16*size + 1<<20}
	err = row.read(im, limit)
	if limit.N == 0 {
		err = malformed("too long for a shard of %d bytes", size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return im, nil
}

// add adds the next member, which must come after the last one and be within the shard.
func (im *Imported) add(m member) error {
	least := int64(index.BlockSize) // for its header
	if n := len(im.members); n > 0 {
		last := im.members[n-1]
		least += last.offset + padded(last.size)
	}
	switch {
	case m.offset < least:
		return malformed("content at byte %d, but it cannot start before byte %d", m.offset, least)
	case m.offset%index.BlockSize != 0:
		return malformed("content at byte %d, not a multiple of %d", m.offset, index.BlockSize)
	case m.size < 0 || m.size > im.size || m.offset > im.size-padded(m.size):
		return malformed("a member of %d bytes at byte %d, in a shard of %d", m.size, m.offset, im.size)
	}
	im.members = append(im.members, m)
	return nil
}

// Check compares the imported index with one that was built from the shard. The error is ErrDiffers with the first
// difference. For entries outside samples the tools have different rules: the imported index may lack them, but those
// in it must be in the shard.
func (im *Imported) Check(x *index.Index) error {
	if err := im.row.check(im, x); err != nil {
		return fmt.Errorf("%s: %w", im.format, err)
	}
	return nil
}

func (im *Imported) checkMembers(x *index.Index) error {
	next := 0                // the row after the last member
	lastIn, lastOf := -1, -1 // samples of the last member in the index and in the shard
	for _, m := range im.members {
		row, found := sort.Find(x.Rows(), func(row int) int {
			data, _ := x.Content(row)
			return cmp.Compare(m.offset, data)
		})
		if err := im.checkMissing(x, next, row); err != nil {
			return err
		}
		if !found {
			return differs("no member starts at byte %d, where the index has %s", m.offset, m)
		}
		next = row + 1
		e := lookup(x, row)
		switch {
		case im.named && m.name != e.name && m.name != listed(e.name) && m.name != readable(e.name):
			return differs("at byte %d: the index has %s, the shard %q", m.offset, m, e.name)
		case m.size != e.Size:
			return differs("member %q: %d bytes in the index, %d in the shard", e.name, m.size, e.Size)
		case !im.grouped || !e.InSample:
			continue
		case m.ext != e.Ext && m.ext != listed(e.Ext):
			return differs("member %q: extension %q in the index, %q in the shard", e.name, m.ext, e.Ext)
		case (m.sample == lastIn) != (e.sample == lastOf):
			return differs("member %q: in sample %d of the index, in sample %d of the shard",
				e.name, m.sample, e.sample)
		}
		lastIn, lastOf = m.sample, e.sample
	}
	return im.checkMissing(x, next, x.Rows())
}

// checkMissing returns an error if the imported index should have one of the rows from next up to end, which it does
// not have.
func (im *Imported) checkMissing(x *index.Index, next, end int) error {
	for row := next; row < end; row++ {
		if !x.InSample(row) {
			continue
		}
		if e := lookup(x, row); !im.row.omits(im, x, e) {
			return differs("member %q at byte %d is missing", e.name, e.Data)
		}
	}
	return nil
}

// String returns a description of a member for errors.
func (m member) String() string {
	if m.name == "" {
		return fmt.Sprintf("a member with extension %q", m.ext)
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

// readable returns a name with a replacement character for each byte that is not valid UTF-8, as JSON decoders do.
func readable(name string) string { return string([]rune(name)) }

// Verify reads the whole shard once and compares its bytes with the digests in the imported index. If there are none,
// digests is false and nothing is read.
func (im *Imported) Verify(plain io.ReaderAt) (digests bool, err error) {
	var with []int // members with a digest
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
		return true, fmt.Errorf("%s: %w", im.format, err)
	}
	for i, sum := range d.sums {
		if m := im.members[with[i]]; sum != *m.sum {
			err := differs("member %s: SHA-256 %x in the index, %x in the shard", m, *m.sum, sum)
			return true, fmt.Errorf("%s: %w", im.format, err)
		}
	}
	if sum := d.whole.Sum(nil); im.whole != nil && !bytes.Equal(sum, im.whole) {
		return true, fmt.Errorf("%s: %w", im.format, differs("SHA-256 %x in the index, %x in the shard", im.whole, sum))
	}
	if sum := d.blob.Sum(nil); im.blob != nil && !bytes.Equal(sum, im.blob) {
		return true, fmt.Errorf("%s: %w", im.format, differs("Git blob %x in the index, %x in the shard", im.blob, sum))
	}
	return true, nil
}
