package codec

import (
	"errors"
	"io"
	"math"
	"runtime"
)

// Options configures NewReader. The zero value only decodes.
type Options struct {
	Map      bool  // make a map of the shard
	FirstEnd bool  // find the end of its first member, frame or stream
	Workers  int   // parallel decoders, if the shard has blocks; 0 means GOMAXPROCS
	Memory   int64 // bytes that blocks may take which they decode ahead; 0 means MaxAhead
}

// MaxAhead is how many bytes of memory are enough for blocks that are decoded ahead.
const MaxAhead = 128 << 20

var errClosed = errors.New("read of a closed reader")

// Reader decodes a shard from the first byte to the last. It is not safe for concurrent use, but its Map is.
type Reader struct {
	in      passInput
	decoder decoder
	plain   io.Reader // decoder with limits
	mapper  *mapper   // nil if no map is wanted
	out     int64
	first   firstEnd
	err     error // returned from all further calls of Read
}

// firstEnd finds where the plain bytes of the first member, frame or stream end.
type firstEnd struct {
	begun int   // number of them that have begun, up to two
	out   int64 // where the second one's plain bytes begin
}

func (e *firstEnd) offer(c Checkpoint) {
	if c.Member && e.begun < 2 {
		e.begun++
		e.out = c.Out
	}
}

// passInput counts the compressed bytes that the decoder reads.
type passInput struct {
	r io.Reader
	n int64
}

func (in *passInput) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	in.n += int64(n)
	return n, err
}

// NewReader returns a reader of the plain bytes of r. It does not read from r yet; read errors come from Read. The only
// error of NewReader is ErrFormat.
func NewReader(f Format, r io.Reader, o Options) (*Reader, error) {
	z := &Reader{in: passInput{r: r}}
	var offer func(Checkpoint)
	if o.Map {
		z.mapper = newMapper()
		offer = z.mapper.offer
	}
	if o.FirstEnd {
		whole := offer
		offer = func(c Checkpoint) {
			z.first.offer(c)
			if whole != nil {
				whole(c)
			}
		}
	}
	var err error
	if z.decoder, err = newDecoder(f, maxHistory, offer); err != nil {
		return nil, err
	}
	if d, ok := z.decoder.(parallelDecoder); ok {
		if o.Workers <= 0 {
			o.Workers = runtime.GOMAXPROCS(0)
		}
		if o.Memory <= 0 {
			o.Memory = MaxAhead
		}
		d.parallel(o.Workers, o.Memory)
	}
	if d, ok := z.decoder.(copier); ok && z.mapper != nil {
		d.onCopies(z.mapper.copied)
	}
	z.err = z.decoder.start(&z.in, Checkpoint{Member: true})
	z.plain = limitRatio(z.decoder, func() int64 { return z.in.n })
	return z, nil
}

// Read returns plain bytes. At the end it returns io.EOF; all checksums and lengths that the format has were then
// right.
func (z *Reader) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	if z.mapper != nil && len(p) > maxHeld/4 {
		p = p[:maxHeld/4]
	}
	n, err := z.plain.Read(p)
	z.out += int64(n)
	if z.mapper != nil {
		z.mapper.read(p[:n])
		if err != nil {
			z.mapper.finish(err == io.EOF)
		}
	}
	if z.err = err; err != nil {
		z.wait()
	}
	return n, err
}

// wait waits for the goroutines of the decoder.
func (z *Reader) wait() {
	if d, ok := z.decoder.(parallelDecoder); ok {
		d.wait()
	}
}

// Mark records that a sample starts at a plain offset, because the best place for a checkpoint is right before a
// sample. Samples must be marked in order, after Read has returned their first byte.
func (z *Reader) Mark(off int64) {
	if z.mapper != nil && z.err == nil {
		z.mapper.mark(off)
	}
}

// Map returns the map of the bytes that Read has returned. Its Points grow with further calls of Read. Its Plain, the
// number of bytes that Read has returned, is set after Read has returned an error. A ReaderAt can use the map at any
// time.
func (z *Reader) Map() Map {
	if z.mapper == nil {
		return Map{}
	}
	m := Map{Plain: math.MaxInt64, Piece: passPiece, Points: &z.mapper.points}
	if z.err != nil {
		m.Plain = z.out
	}
	return m
}

// Close ends the pass early. The map is then of the bytes that Read has returned. Close must be called if Options.Map
// was set and Read has not returned an error.
func (z *Reader) Close() error {
	if z.err == nil {
		z.err = errClosed
		z.wait()
		if z.mapper != nil {
			z.mapper.finish(false)
		}
	}
	return nil
}

// Trailing returns, once Read has returned io.EOF, how many bytes follow the compressed data. They are ignored; zeros
// are padding and do not count.
func (z *Reader) Trailing() int64 { return z.decoder.trailing() }

// FirstEnd returns, once Read has returned io.EOF, where the plain bytes of the first gzip member, frame or stream
// end, if Options.FirstEnd was set. Some readers decode only the first one.
func (z *Reader) FirstEnd() int64 {
	if z.first.begun < 2 {
		return z.out
	}
	return z.first.out
}
