// Package indexformat reads and writes the index formats of other tools, so that a shard indexed once serves them all.
//
// [Export] writes an index that was built from a shard. [Import] reads one that another tool made, and what it returns is a
// [Hint]: nothing is served on its word. [Hint.Check] compares it with an index built from the shard itself, and
// [Hint.Verify] its digests with the shard's bytes.
package indexformat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// What can be wrong with a foreign index, besides errors of reading and writing.
var (
	ErrUnknownFormat = errors.New("unknown index format")
	ErrUnsuited      = errors.New("this shard does not fit the index format") // it cannot say what is in the shard
	ErrMalformed     = errors.New("malformed index")                          // it is not one of any shard of that size
	ErrDiffers       = errors.New("the index is not of this shard")
)

// Format is an index format of another tool.
type Format string

// The formats, by the names the command line has for them.
const (
	WDS2IDX     Format = "wds2idx" // NVIDIA DALI's wds2idx 1.2: text, a line for each sample
	Energon     Format = "energon" // Megatron-Energon's .tar.idx: the offset of each sample
	HuggingFace Format = "hf"      // hfutils' JSON beside a tar, with the digest of each member
)

// ParseFormats reads a list of formats, separated by commas.
func ParseFormats(list string) ([]Format, error) {
	var formats []Format
	for name := range strings.SplitSeq(list, ",") {
		switch f := Format(strings.TrimSpace(name)); f {
		case WDS2IDX, Energon, HuggingFace:
			formats = append(formats, f)
		default:
			return nil, fmt.Errorf("%w: %q: there are %s, %s and %s", ErrUnknownFormat, name, WDS2IDX, Energon, HuggingFace)
		}
	}
	return formats, nil
}

// Name returns the path at which the tools of a format look for the index of a shard.
func Name(f Format, shard string) string {
	dir, base := path.Split(shard)
	if base == "" {
		return shard
	}
	switch f {
	case WDS2IDX:
		// The first dot counts, wherever it is: a-1.0.tar has a-1.idx, and shares it with a-1.1.tar.
		if dot := strings.IndexByte(base[1:], '.'); dot >= 0 {
			base = base[:dot+1]
		}
		return dir + base + ".idx"
	case Energon:
		return dir + withoutSuffix(base) + ".tar.idx" // x.tar.gz has x.tar.tar.idx
	default:
		return dir + withoutSuffix(base) + ".json"
	}
}

// withoutSuffix returns a file's name up to its last dot; one at its beginning does not count.
func withoutSuffix(base string) string {
	if dot := strings.LastIndexByte(base, '.'); dot > 0 && strings.Trim(base[:dot], ".") != "" {
		return base[:dot]
	}
	return base
}

// Detect tells the format of an index by its first 16 bytes or more.
func Detect(head []byte) (Format, error) {
	switch text := strings.TrimLeft(string(head), " \t\r\n"); {
	case strings.HasPrefix(text, "{"):
		return HuggingFace, nil
	case len(text) > 2 && text[0] == 'v' && text[1] >= '0' && text[1] <= '9':
		return WDS2IDX, nil
	}
	if len(head) >= 16 {
		first, second := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[8:])
		if first < second && first%index.BlockSize == 0 && second%index.BlockSize == 0 && second < 1<<62 {
			return Energon, nil
		}
	}
	return "", ErrUnknownFormat
}

// Shard is what an export is made of.
type Shard struct {
	Index      *index.Index // of the whole shard
	Plain      io.ReaderAt  // plain bytes; only HuggingFace reads them, all and once
	Size       int64        // plain bytes
	Compressed bool         // they do not lie in the shard as they are
}

// Export writes the index of a shard. Warning is one sentence on what the format had no room for, "" if that is nothing.
// The error is ErrUnsuited where a reader of the format would get something wrong.
func Export(w io.Writer, f Format, s Shard) (warning string, err error) {
	if s.Compressed && f != Energon {
		return "", fmt.Errorf("%s: %w: it is compressed, and its members have no place in the file", f, ErrUnsuited)
	}
	switch f {
	case WDS2IDX:
		warning, err = exportWDS2IDX(w, s.Index)
	case Energon:
		err = exportEnergon(w, s.Index)
	case HuggingFace:
		warning, err = exportHuggingFace(w, s)
	default:
		err = ErrUnknownFormat
	}
	if err != nil {
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
				e.name = x.OtherName(row)
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
