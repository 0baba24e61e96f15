// Package indexformat reads and writes the index formats of other tools, so that a shard indexed once serves them all.
//
// [Export] writes an index that was built from a shard. [Import] reads one that another tool made, and what it returns is a
// [Imported]: nothing is served on its word. [Imported.Check] compares it with an index built from the shard itself, and
// [Imported.Verify] its digests with the shard's bytes.
package indexformat

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/shardfs/shardfs/index"
)

// What can be wrong with a foreign index, besides errors of reading and writing.
var (
	ErrUnknownFormat = errors.New("unknown index format")
	ErrUnsuited      = errors.New("this shard does not fit the index format") // it cannot say what is in the shard
	ErrMalformed     = errors.New("malformed index")                          // it is not one of any shard of that size
	ErrDiffers       = errors.New("the index is not of this shard")
)

// Shard is what an export is made of.
type Shard struct {
	Index      *index.Index // of the whole shard
	Plain      io.ReaderAt  // plain bytes; only HuggingFace reads them, from the first to the last, once
	Size       int64        // number of plain bytes
	Compressed bool         // the shard's file is compressed, so offsets in the plain bytes are none in the file
}

// Export writes the index of a shard. Warning is one sentence on what the format had no room for, "" if that is nothing.
// The error is ErrUnsuited where a reader of the format would get something wrong.
func Export(w io.Writer, f Format, s Shard) (warning string, err error) {
	r, err := f.row()
	switch {
	case err != nil:
		return "", err
	case s.Compressed && r.needsPlain:
		return "", fmt.Errorf("%s: %w: it is compressed, so its members have no offsets in the file", f, ErrUnsuited)
	}
	if warning, err = r.export(w, s); err != nil {
		return "", fmt.Errorf("%s: %w", f, err)
	}
	return warning, nil
}

// entry is an entry of a tar with its name.
type entry struct {
	index.Member
	name   string
	sample int // whose member it is; meaningless unless InSample
}

// entries yields all entries of a tar in order.
func entries(x *index.Index) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		number, start, key := -1, x.Rows(), ""
		if x.Samples() > 0 {
			start = x.Sample(0).Start
		}
		for row := range x.Rows() {
			if row == start {
				number++
				key, start = x.Key(number), x.Rows()
				if number+1 < x.Samples() {
					start = x.Sample(number + 1).Start
				}
			}
			e := entry{Member: x.Member(row), sample: number}
			if e.InSample {
				e.name = key + "." + e.Ext
			} else {
				e.name = x.OutsideName(row)
			}
			if !yield(e) {
				return
			}
		}
	}
}

// padded returns a size in whole blocks.
func padded(size int64) int64 {
	return (size + index.BlockSize - 1) / index.BlockSize * index.BlockSize
}

// hasHoles reports whether an entry's content is not the bytes from its beginning on, as the formats have it: what a
// sparse file lacks for its size are its holes.
func (e entry) hasHoles() bool { return e.End-e.Data != padded(e.Size) }
