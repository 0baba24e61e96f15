// Package indexformat reads and writes the index formats of other tools, so that a shard is indexed only once for all
// of them.
//
// [Export] writes the index of a shard in a [Format]. [Import] reads an index that another tool has made, to verify it:
// [Imported.Check] compares it with an index built from the shard, and [Imported.Verify] compares its digests with the
// bytes of the shard; or to use it until the shard is scanned: [Imported.Provisional]. Everything that differs between formats is in one table, in formats.go.
package indexformat

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/shardfs/shardfs/index"
)

// Errors other than read and write errors.
var (
	ErrUnknownFormat = errors.New("unknown index format")
	ErrUnsuited      = errors.New("the index format cannot describe this shard")
	ErrMalformed     = errors.New("malformed index") // it cannot be an index of any shard of that size
	ErrDiffers       = errors.New("the index is not of this shard")
)

// differs returns an ErrDiffers with a reason.
func differs(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDiffers, fmt.Errorf(format, args...))
}

// malformed returns an ErrMalformed with a reason.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

// Shard is the shard of an export.
type Shard struct {
	Index      *index.Index // of the whole shard
	Plain      io.ReaderAt  // plain bytes; only HuggingFace reads them, once and in order
	Size       int64        // number of plain bytes
	Compressed bool         // the file of the shard is compressed, so plain offsets are not offsets in the file
}

// Export writes the index of a shard. warning is a sentence about members that the format has to leave out, or "". The
// error is ErrUnsuited if readers of the format would get wrong data.
func Export(w io.Writer, f Format, s Shard) (warning string, err error) {
	r, err := f.row()
	switch {
	case err != nil:
		return "", err
	case s.Compressed:
		return "", fmt.Errorf("%s: %w: it is compressed, so its members have no offsets in the file", f, ErrUnsuited)
	}
	if warning, err = r.export(w, s); err != nil {
		return "", fmt.Errorf("%s: %w", f, err)
	}
	return warning, nil
}

// entry is a row of an index with its name.
type entry struct {
	index.Member
	name   string
	sample int // number of its sample; meaningless unless InSample
}

// entries yields all rows of an index in order.
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

// padded returns a size rounded up to whole blocks.
func padded(size int64) int64 {
	return (size + index.BlockSize - 1) / index.BlockSize * index.BlockSize
}

// hasHoles reports whether an entry is a sparse file: it takes fewer bytes in the tar than its size. The formats
// assume that the content is in the tar byte by byte.
func (e entry) hasHoles() bool { return e.End-e.Data != padded(e.Size) }
