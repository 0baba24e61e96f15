package codec

import (
	"errors"
	"fmt"
	"io"
)

// ErrLimit says that a shard may be sound, but asks for more than shardfs decodes: more memory, a feature that shards do
// not use, or an endless stream of nothing.
var ErrLimit = errors.New("more than shardfs decodes")

// errHistory is the ErrLimit of a shard that asks its decoder for a longer history than it may keep.
var errHistory = fmt.Errorf("%w: history", ErrLimit)

// maxHistory is the longest history that a shard may ask its decoder to keep: zstd --long=27, twice what xz -9 asks for.
const maxHistory = 128 << 20

// A shard may grow by maxRatio while it is decoded, which deflate cannot exceed, and by as much as it likes up to freePlain
// bytes. Without this a file of some kilobytes keeps a decoder busy for ever.
const (
	maxRatio  = 1100
	freePlain = 1 << 30
)

// limitRatio returns plain, with ErrLimit where its bytes are too many for the compressed ones that were read for them.
func limitRatio(plain io.Reader, compressed func() int64) io.Reader {
	return &ratioReader{plain: plain, compressed: compressed}
}

type ratioReader struct {
	plain      io.Reader
	compressed func() int64
	out        int64
}

// Read hands out what was read before the limit.
func (l *ratioReader) Read(p []byte) (int, error) {
	if in := l.compressed(); l.out > freePlain && l.out/maxRatio > in {
		return 0, locate(in, fmt.Errorf("%w: %d plain bytes, %d times as many", ErrLimit, l.out, l.out/max(1, in)))
	}
	n, err := l.plain.Read(p)
	l.out += int64(n)
	return n, err
}

// locate says at which compressed byte err struck. The end of the input is never a clean one here.
func locate(off int64, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("compressed byte %d: %w", off, err)
}

// damaged returns an ErrDamaged with a reason.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}
