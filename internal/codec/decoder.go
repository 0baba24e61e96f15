package codec

import (
	"errors"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/internal/codec/inflate"
)

var (
	// ErrDamaged means that compressed bytes contradict themselves or their map: data that cannot be decoded, a
	// wrong checksum or length, a bad header.
	ErrDamaged = errors.New("damaged compressed data")

	// ErrFormat means that there is no decoder or no encoder for a format.
	ErrFormat = errors.New("unsupported compression")
)

// decoder decodes one format from a checkpoint on. It verifies all checksums and lengths that the format has. Errors
// contain the offset of the compressed byte; they are io.ErrUnexpectedEOF for truncated input and ErrDamaged for
// damaged input. It is not safe for concurrent use.
type decoder interface {
	io.Reader

	// start makes the decoder continue at c. The Window of c is not compressed here, and valid only during the call.
	// The first byte of r is the one at c.In. start can be called again at any time, even after an error.
	start(r io.Reader, c Checkpoint) error

	// trailing returns, after io.EOF, how many bytes follow the compressed data.
	trailing() int64
}

// parallelDecoder is a decoder that can use several cores. What Read returns and what is offered does not depend on
// their number, nor in what order.
type parallelDecoder interface {
	decoder

	// parallel makes the decoder use this many goroutines after the next start, or fewer if blocks that are decoded
	// ahead would take more than so many bytes of memory.
	parallel(workers int, memory int64)

	// wait waits until the goroutines have ended. They do so soon, by themselves; no read of the input is among them.
	wait()
}

// copier is a decoder of a format in which checkpoints need windows.
type copier interface {
	// onCopies makes the decoder call f, from within Read, with the copies in the plain bytes from an offset on that
	// begin before the last place that it has offered. They are valid only during the call.
	onCopies(f func(out int64, copies []inflate.Copy))
}

// newDecoder returns a decoder of a format. In formats in which the shard sets how many plain bytes of history its
// decoder must keep, history is the limit; if the shard needs more, the error is errHistory. offer, if not nil, is
// called from within Read, during a pass from the front, with every place where decoding could start again. The Window
// of such a checkpoint is not compressed, always has the plain bytes before Out, and is valid only during the call. The
// decoder may be ahead of the bytes that Read has returned.
func newDecoder(f Format, history int64, offer func(Checkpoint)) (decoder, error) {
	if start := f.row().decoder; start != nil {
		return start(history, offer), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrFormat, f)
}
