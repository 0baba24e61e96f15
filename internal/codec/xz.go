package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/therootcompany/xz"
)

// xzDecoder decodes xz of one or more streams with padding between them. Blocks do not refer to each other, so decoding
// can start at each of them. The decoder verifies headers, the check of each block, and the index of a stream that it
// decodes from its start. Like xz itself it accepts only padding and another stream after a stream.
//
// A block with a filter besides LZMA2 is decoded by xz.Reader. That does not report where blocks begin, so it gets each
// such block as a separate stream. The bytes between the blocks are read here.
//
// The State of a checkpoint at a block is the check that the blocks of its stream have, as an index in xzChecks,
// because only the header of the stream states it.
type xzDecoder struct {
	in     input
	offer  func(Checkpoint)
	most   uint32 // largest dictionary, in bytes, that a block may need
	lib    *xz.Reader
	own    xzChunks
	many   int     // goroutines that decode blocks ahead; fewer than 2 mean none
	memory int64   // bytes that these blocks may take
	ahead  xzAhead // of which depth is 0 until a block has been decoded
	task   *xzTask // block that has been decoded ahead, of which plain bytes may come
	block  xzBlock // for lib
	state  xzState
	point  Checkpoint // at the next block; its Out is not set
	out    int64      // plain offset of the next byte
	check  int        // check of all blocks of the stream, an index in xzChecks
	seen   bool       // a stream has begun
	whole  bool       // the stream is decoded from its start, so that its index can be compared
	index  xzIndex    // of the blocks of the stream
	err    error      // returned from all further calls of Read
}

// xzState is what comes next in the input of an xzDecoder.
type xzState uint8

const (
	atXZStream xzState = iota // a stream, padding or the end
	atXZBlock                 // a block or the index
	inXZBlock                 // decoded by lib
	inXZChunks
	inXZTask
)

// xzChecks are the checks that can be verified, and their sizes in bytes.
var xzChecks = [...]struct{ id, size byte }{{0, 0}, {1, 4}, {4, 8}, {10, 32}}

const (
	xzMagic      = "\xfd7zXZ\x00"
	xzFooterEnd  = "YZ"
	xzHeaderSize = 12 // of a stream, and of its footer

	xzMaxDictionary = 64 << 20 // largest dictionary that a block may need: that of xz -9
)

func newXZDecoder(history int64, offer func(Checkpoint)) *xzDecoder {
	return &xzDecoder{most: uint32(min(history, xzMaxDictionary)), offer: offer}
}

// start implements decoder. A checkpoint is at the header of a stream or at a block.
func (d *xzDecoder) start(r io.Reader, c Checkpoint) error {
	d.wait()
	d.ahead, d.task = newXZAhead(d.many, d.memory), nil
	d.in.reset(r, c.In)
	d.out, d.seen, d.err = c.Out, false, nil
	d.state = atXZStream
	if c.Member || c.In == 0 {
		return nil
	}
	check, err := c.xzCheck()
	if err != nil {
		d.err = locate(c.In, err)
		return d.err
	}
	d.state, d.check = atXZBlock, check
	d.seen, d.whole, d.index = true, false, xzIndex{}
	return nil
}

// xzCheck returns the State of a checkpoint at an xz block: the check that the blocks of its stream have, an index in
// xzChecks.
func (c Checkpoint) xzCheck() (int, error) {
	if int(c.State) >= len(xzChecks) {
		return 0, fmt.Errorf("checkpoint with xz check %d", c.State)
	}
	return int(c.State), nil
}

// trailing implements decoder.
func (d *xzDecoder) trailing() int64 { return 0 }

// Read returns plain bytes.
func (d *xzDecoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, d.err
	}
	for d.err == nil {
		switch d.state {
		case atXZStream:
			d.err = d.openStream()
		case atXZBlock:
			d.err = d.openBlock()
		case inXZChunks:
			n, err := d.own.Read(p)
			d.out += int64(n)
			if err != nil {
				d.err = d.closeChunks(err)
			}
			if n > 0 {
				return n, nil
			}
		case inXZTask:
			if n := d.task.chunks.copy(p); n > 0 {
				d.out += int64(n)
				return n, nil
			}
			d.closeTask()
		case inXZBlock:
			n, err := d.lib.Read(p)
			d.out += int64(n)
			if err != nil {
				d.err = d.closeBlock(err)
			}
			if n > 0 {
				return n, nil
			}
		}
	}
	return 0, d.err
}

// openStream reads a header. It returns io.EOF after the last stream.
func (d *xzDecoder) openStream() error {
	if d.seen {
		if err := d.skipPadding(); err != nil {
			return err
		}
	}
	start := d.in.offset()
	head, err := d.in.br.Peek(xzHeaderSize)
	if err != nil {
		return locate(start, err)
	}
	if string(head[:6]) != xzMagic {
		return locate(start, damaged("no xz header"))
	}
	if crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return locate(start, damaged("wrong CRC32 of an xz header"))
	}
	d.check = -1
	for i, c := range xzChecks {
		if head[6] == 0 && head[7] == c.id {
			d.check = i
		}
	}
	if d.check < 0 {
		return locate(start, fmt.Errorf("%w: xz with check %02x%02x", ErrLimit, head[6], head[7]))
	}
	d.state = atXZBlock
	d.seen, d.whole, d.index = true, true, xzIndex{}
	d.point = Checkpoint{In: start, Member: true}
	_, err = d.in.br.Discard(xzHeaderSize)
	return err
}

// skipPadding skips zeros, four at a time. At the end of the input it returns io.EOF.
func (d *xzDecoder) skipPadding() error {
	for {
		word, err := d.in.br.Peek(4)
		if len(word) == 0 && err == io.EOF {
			return io.EOF
		}
		if err != nil {
			return locate(d.in.offset(), err)
		}
		if !bytes.Equal(word, []byte{0, 0, 0, 0}) {
			return nil
		}
		d.in.br.Discard(4)
	}
}

// parallel implements parallelDecoder.
func (d *xzDecoder) parallel(workers int, memory int64) { d.many, d.memory = workers, memory }

// wait implements parallelDecoder.
func (d *xzDecoder) wait() { d.ahead.wait() }

// openBlock prepares to decode the next block, or reads the end of the stream.
func (d *xzDecoder) openBlock() error {
	d.ahead.gather(&d.in, d.most, d.check)
	if d.task = d.ahead.take(&d.in); d.task != nil {
		d.state = inXZTask
		d.offerBlock()
		return nil
	}
	start := d.in.offset()
	size, err := d.in.br.Peek(1)
	if err != nil {
		return locate(start, err)
	}
	if size[0] == 0 {
		d.state = atXZStream
		return d.closeStream()
	}
	headSize := (int(size[0]) + 1) * 4
	head, err := d.in.br.Peek(headSize)
	if err != nil {
		return locate(d.in.offset(), err)
	}
	if h, ok := parseXZHead(head); ok && h.dictionary <= d.most {
		d.in.br.Discard(headSize)
		d.own.open(&d.in, h, d.check)
		d.state = inXZChunks
	} else if err := d.openFiltered(headSize); err != nil {
		return err
	}
	d.offerBlock()
	return nil
}

// offerBlock offers the place of the block that has been opened.
func (d *xzDecoder) offerBlock() {
	if d.offer != nil {
		c := d.point
		c.Out = d.out
		d.offer(c)
	}
}

// closeTask ends a block that has been decoded ahead.
func (d *xzDecoder) closeTask() {
	t := d.task
	d.closed(t.off+int64(t.packed.Len()), t.chunks.unpadded, t.chunks.plain)
	d.task = nil
	d.ahead.release(t)
}

// openFiltered prepares to decode the next block, whose header has size bytes, by lib.
func (d *xzDecoder) openFiltered(size int) (err error) {
	d.block = openXZBlock(&d.in, size, d.check)
	d.state = inXZBlock
	if d.lib == nil {
		d.lib, err = xz.NewReader(&d.block, d.most)
	} else {
		err = d.lib.Reset(&d.block)
	}
	if err != nil {
		return d.closeBlock(err)
	}
	return nil
}

// closeChunks handles the error with which a block has ended; io.EOF means that it is sound.
func (d *xzDecoder) closeChunks(err error) error {
	if err != io.EOF {
		return locate(d.in.offset(), err)
	}
	d.closed(d.in.offset(), d.own.unpadded, d.own.plain)
	return nil
}

// closed records that a block was sound, and where it ends.
func (d *xzDecoder) closed(end int64, unpadded, plain uint64) {
	d.index.add(unpadded, plain)
	d.point = Checkpoint{In: end, State: uint8(d.check)}
	d.state = atXZBlock
}

// closeBlock handles the error with which the decoder has ended a block; io.EOF is the end of the block.
func (d *xzDecoder) closeBlock(err error) error {
	switch {
	case d.block.err != nil:
		return locate(d.in.offset(), d.block.err)
	case err == xz.ErrMemlimit:
		return locate(d.in.offset(), fmt.Errorf("%w: %w", errHistory, err))
	case err == xz.ErrOptions:
		return locate(d.in.offset(), fmt.Errorf("%w: %w", ErrLimit, err))
	case err != io.EOF:
		return locate(d.in.offset(), damaged("%w", err))
	}
	d.closed(d.in.offset(), d.block.unpadded, d.block.plain)
	return nil
}

// closeStream reads the index and the footer of a stream, and compares them with its blocks.
func (d *xzDecoder) closeStream() error {
	index, size, err := readXZIndex(&d.in)
	if err != nil {
		return locate(d.in.offset(), err)
	}
	if d.whole && index != d.index {
		return locate(d.in.offset(), damaged("the xz index does not fit the blocks"))
	}
	footer, err := d.in.br.Peek(xzHeaderSize)
	if err != nil {
		return locate(d.in.offset(), err)
	}
	if !bytes.Equal(footer, appendXZFooter(nil, size, d.check)) {
		return locate(d.in.offset(), damaged("wrong xz footer"))
	}
	_, err = d.in.br.Discard(xzHeaderSize)
	return err
}
