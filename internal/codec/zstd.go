package codec

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdDecoder decodes zstd frames, RFC 8878. Frames do not refer to each other, so decoding can start at each of
// them. The decoder finds their ends itself, because zstd.Decoder does not report them.
//
// It verifies the checksum and the size of a frame, if the frame has them. Like zstd itself it accepts only another
// frame after a frame.
type zstdDecoder struct {
	in      input
	offer   func(Checkpoint)
	history int64 // largest history that a frame may need
	lib     *zstd.Decoder
	frame   zstdFrame
	open    bool  // more of the frame follows
	seen    bool  // a frame has begun, even one to be skipped
	out     int64 // plain offset of the next byte
	err     error // returned from all further calls of Read
}

func newZstdDecoder(history int64, offer func(Checkpoint)) *zstdDecoder {
	return &zstdDecoder{history: history, offer: offer}
}

// start implements decoder. A checkpoint is at a frame.
func (d *zstdDecoder) start(r io.Reader, c Checkpoint) error {
	d.in.reset(r, c.In)
	d.out, d.open, d.seen, d.err = c.Out, false, false, nil
	if d.lib == nil {
		var err error
		d.lib, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1), // decode within Read, without goroutines that would have to be ended
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxHistory),
			zstd.WithDecoderMaxMemory(maxHistory)) // for frames of a single segment
		return err
	}
	return nil
}

func (d *zstdDecoder) trailing() int64 { return 0 }

// Read returns plain bytes.
func (d *zstdDecoder) Read(p []byte) (int, error) {
	for d.err == nil {
		if !d.open {
			d.err = d.openFrame()
			continue
		}
		n, err := d.lib.Read(p)
		d.out += int64(n)
		if err != nil {
			d.open = false
			d.err = d.closeFrame(err)
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, d.err
}

// openFrame prepares to decode the next frame, or skips one that holds no data. It returns io.EOF after the last one.
func (d *zstdDecoder) openFrame() error {
	start := d.in.offset()
	head, err := d.in.br.Peek(zstdHeaderSize)
	if len(head) == 0 && err == io.EOF && d.seen {
		return io.EOF
	}
	if err != nil && (len(head) == 0 || err != io.EOF) {
		return locate(start, err)
	}
	h, err := parseZstdHeader(head)
	if err != nil {
		return locate(start, err)
	}
	if n := zstdHistory(h); n > uint64(d.history) {
		return locate(start, fmt.Errorf("%w of %d bytes", errHistory, n))
	}
	d.seen = true
	if h.Skippable {
		if _, err := d.in.br.Discard(h.HeaderSize + int(h.SkippableSize)); err != nil {
			return locate(d.in.offset(), err)
		}
		return nil
	}
	if d.offer != nil {
		d.offer(Checkpoint{Out: d.out, In: start, Member: true})
	}
	d.frame = zstdFrame{in: &d.in, left: h.HeaderSize, checksum: h.HasCheckSum}
	d.open = true
	return d.lib.Reset(&d.frame)
}

// closeFrame handles the error with which the decoder has ended a frame; io.EOF is the end of the frame.
func (d *zstdDecoder) closeFrame(err error) error {
	switch {
	case d.frame.err != nil:
		return locate(d.in.offset(), d.frame.err)
	case err != io.EOF:
		return locate(d.in.offset(), damaged("%w", err))
	case !d.frame.last || d.frame.left > 0:
		return locate(d.in.offset(), damaged("zstd frame is not used up"))
	}
	return nil
}

// beginsZstd reports whether a shard begins with a zstd frame or a skippable one. LZ4 has skippable frames too, but
// only zstd tools write them first; DetectAt looks past them.
func beginsZstd(head []byte) bool {
	return bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")) ||
		len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// zstdHeaderSize is the size of the longest frame header.
const zstdHeaderSize = 18

// parseZstdHeader reads the header of a frame that head begins with, and fails if the frame cannot be decoded.
func parseZstdHeader(head []byte) (h zstd.Header, err error) {
	err = h.Decode(head)
	switch {
	case err == io.ErrUnexpectedEOF:
		return h, err
	case err == zstd.ErrMagicMismatch:
		return h, damaged("no zstd frame")
	case err != nil:
		return h, damaged("%w", err)
	case h.DictionaryID != 0:
		return h, fmt.Errorf("%w: zstd with a dictionary", ErrLimit)
	case zstdHistory(h) > maxHistory:
		err := fmt.Errorf("%w: a zstd window of %d bytes", ErrLimit, zstdHistory(h))
		return h, &wayOnError{err, via("zstd -dc --long=31")}
	}
	return h, nil
}

// zstdHistory returns how many plain bytes the decoder of a frame has to keep.
func zstdHistory(h zstd.Header) uint64 {
	if h.SingleSegment {
		return h.FrameContentSize
	}
	return h.WindowSize
}

// zstdFrame reads the bytes of one frame and ends with it.
type zstdFrame struct {
	in       *input
	left     int  // bytes of the current part: first the header, then a block with its header
	last     bool // this is the last part
	checksum bool // follows the last block and belongs to its part
	err      error
}

func (f *zstdFrame) Read(p []byte) (n int, err error) {
	if f.left == 0 && f.last {
		return 0, io.EOF
	}
	if f.left == 0 {
		var head []byte
		if head, err = f.in.br.Peek(zstdBlockHeaderSize); err == nil {
			f.left, f.last, err = zstdBlock(head)
			if f.last && f.checksum {
				f.left += 4
			}
		}
	}
	if err == nil {
		n, err = f.in.br.Read(p[:min(len(p), f.left)])
		f.left -= n
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	f.err = err
	return n, err
}

// Block types. The fourth is reserved.
const (
	zstdRaw = iota
	zstdRLE
	zstdCompressed
)

const (
	zstdBlockHeaderSize = 3
	zstdMaxBlock        = 128 << 10
)

// zstdBlock returns the size in bytes of the block that begins with head, its header included, and whether it is the
// last one of its frame.
func zstdBlock(head []byte) (size int, last bool, err error) {
	h := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	size, last = h>>3, h&1 != 0
	kind := h >> 1 & 3
	switch {
	case kind > zstdCompressed:
		return 0, false, damaged("zstd block of reserved type")
	case size > zstdMaxBlock:
		return 0, false, damaged("zstd block of %d bytes", size)
	case kind == zstdRLE:
		size = 1
	}
	return zstdBlockHeaderSize + size, last, nil
}
