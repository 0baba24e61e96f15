package codec

import (
	"errors"
	"fmt"
	"io"
)

// ErrLimit means that a shard may be intact but needs more than shardfs supports: more memory, a rare feature of the
// format, or a compression ratio that only a decompression bomb has.
var ErrLimit = errors.New("more than shardfs decodes")

// errHistory is the ErrLimit of a shard that needs a longer history than its decoder may keep.
var errHistory = fmt.Errorf("%w: history", ErrLimit)

// wayOnError is an error with a hint what the user can do.
type wayOnError struct {
	error
	way string
}

func (e *wayOnError) Unwrap() error { return e.error }

// Hint returns what the user can do.
func (e *wayOnError) Hint() string { return e.way }

// maxHistory is the longest history in bytes that a decoder keeps: that of zstd --long=27, twice that of xz -9.
const maxHistory = 128 << 20

// A shard may have freePlain plain bytes, or more if they are at most maxRatio times as many as the compressed ones,
// which is the highest ratio of zstd: what this program writes, it reads. Sound shards with long runs of zeros, such as
// empty masks, come near it, and bzip2 reaches a million. So not the ratio is limited, but the work: a small file costs
// some minutes of decoding, and 20 MiB for the checksums and places of its plain bytes. Without a limit it could keep a
// decoder busy for days.
const (
	maxRatio  = 1 << 15
	freePlain = 64 << 30
)

// limitRatio returns a reader of plain that fails with ErrLimit when there are too many plain bytes for the
// compressed ones read so far.
func limitRatio(plain io.Reader, compressed func() int64) io.Reader {
	return &ratioReader{plain: plain, compressed: compressed}
}

type ratioReader struct {
	plain      io.Reader
	compressed func() int64
	out        int64
}

// Read returns the bytes before the limit, then the error.
func (l *ratioReader) Read(p []byte) (int, error) {
	if in := l.compressed(); l.out > freePlain && l.out/maxRatio > in {
		return 0, locate(in, fmt.Errorf("%w: %d plain bytes, %d times as many", ErrLimit, l.out, l.out/max(1, in)))
	}
	n, err := l.plain.Read(p)
	l.out += int64(n)
	return n, err
}

// locate adds the offset of the compressed byte to err. io.EOF becomes io.ErrUnexpectedEOF.
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
