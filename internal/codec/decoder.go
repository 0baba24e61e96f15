package codec

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrDamaged means that compressed bytes contradict themselves or their map: data that cannot be decoded, a
	// wrong checksum or length, a bad header.
	ErrDamaged = errors.New("damaged compressed data")

	// ErrFormat means that there is no decoder or no encoder for a format.
	ErrFormat = errors.New("unsupported compression")
)

// decoder decodes one format from a checkpoint on. It verifies whatever checksums and lengths the format has. Its
// errors say at which compressed byte they occurred; truncated input is io.ErrUnexpectedEOF, damaged input
// ErrDamaged. It is not safe for concurrent use.
type decoder interface {
	io.Reader

	// start makes the decoder continue at c, whose Window is decompressed here and only lent for the call. The
	// first byte of r is the one at c.In. start can be called again at any time, even after an error.
	start(r io.Reader, c Checkpoint) error

	// trailing returns, after io.EOF, how many bytes follow the compressed data and are not part of it.
	trailing() int64
}

// newDecoder returns a decoder of a format. Where the shard chooses how many plain bytes of history its decoder
// keeps, history is the most that it may ask for, and more is errHistory. offer, if not nil, is called from within
// Read, during a pass from the front, with every place where decoding could start again. The Window of such a
// checkpoint is not compressed, always holds the plain bytes before Out, and is lent for the call. The decoder may be
// ahead of what Read has returned.
func newDecoder(f Format, history int64, offer func(Checkpoint)) (decoder, error) {
	if start := f.row().decoder; start != nil {
		return start(history, offer), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrFormat, f)
}
