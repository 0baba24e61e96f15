package codec

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrDamaged says that compressed bytes contradict themselves or the map they are read by: data that cannot be
	// decoded, a wrong checksum or length, a bad header.
	ErrDamaged = errors.New("damaged compressed data")

	// ErrFormat says that there is no decoder for a format.
	ErrFormat = errors.New("unsupported compression")
)

// decoder decodes one format from a checkpoint on. It verifies what the format lets it verify. Its errors name the
// compressed byte; a cut is io.ErrUnexpectedEOF and all damage ErrDamaged. It is not safe for concurrent use.
type decoder interface {
	io.Reader

	// start makes the decoder go on at c, whose Window is raw here. The first byte of r is the one at c.In. It can be
	// called again, at any time and after any error. The decoder keeps no window.
	start(r io.Reader, c Checkpoint) error

	// trailing returns, after io.EOF, how many bytes behind the data are not part of it.
	trailing() int64
}

// newDecoder returns a decoder of a format that keeps so many plain bytes of history at most, as far as shards
// decide that; what asks for more is errHistory. offer, if not nil, is called from within Read, during a pass from the front,
// at every place where decoding could start again. The Window of the checkpoint is raw and lent for the call; it is always
// the plain bytes before Out. The decoder may be ahead of what Read has returned.
func newDecoder(f Format, history int64, offer func(Checkpoint)) (decoder, error) {
	if start := f.row().decoder; start != nil {
		return start(history, offer), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrFormat, f)
}
