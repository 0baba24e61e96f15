package codec

import (
	"bytes"
	"io"
)

// xzAhead decodes the blocks of a stream before the decoder comes to them, several at the same time: those whose headers
// state their sizes, which xz writes with -T. A block that is not sound is left to the decoder, so that plain bytes,
// places and errors are those of the decoder alone.
//
// Each block is decoded by a goroutine that reads only memory.
type xzAhead struct {
	limit int   // most blocks at the same time
	most  int64 // bytes that they may take
	depth int   // how many of them now; it grows, so that the first ones come soon
	tasks []*xzTask
	idle  []*xzTask
	held  int64 // bytes of the tasks, packed and plain
}

// xzTask is a block that is decoded ahead.
type xzTask struct {
	off    int64 // where the block begins in the compressed bytes
	head   xzHead
	packed bytes.Buffer // the block
	failed error        // of the input, after these bytes
	chunks xzChunks
	done   chan struct{} // closed when chunks has the whole block, or an error
}

// maxXZBlock is how many plain bytes a block that is decoded ahead has at most.
const maxXZBlock = 48 << 20

func newXZAhead(workers int, memory int64) xzAhead {
	if workers < 2 {
		return xzAhead{}
	}
	return xzAhead{limit: min(workers+1, maxBlocksAhead), most: memory}
}

// size returns the bytes that the block with a header takes in memory, and whether it can be decoded ahead.
func (a *xzAhead) size(h xzHead, ok bool, most uint32) (int64, bool) {
	fits := func(n int64) bool { return 0 < n && n <= maxXZBlock }
	return h.packed + h.plain, ok && h.dictionary <= most && fits(h.plain) && fits(h.packed)
}

// gather begins to decode the blocks that come next in the input.
func (a *xzAhead) gather(in *input, most uint32, check int) {
	for len(a.tasks) < a.depth {
		if n := len(a.tasks); n > 0 && a.tasks[n-1].failed != nil {
			break
		}
		h, ok, err := peekXZHead(in)
		size, ok := a.size(h, ok, most)
		if err != nil || !ok || a.held+size > a.most {
			break
		}
		a.held += size
		t := new(xzTask)
		if n := len(a.idle); n > 0 {
			a.idle, t = a.idle[:n-1], a.idle[n-1]
		}
		a.tasks = append(a.tasks, t)
		t.off, t.head, t.done = in.offset(), h, make(chan struct{})
		t.packed.Reset()
		whole := int64(h.size) + (h.packed+3)&^3 + int64(xzChecks[check].size)
		if _, t.failed = io.CopyN(&t.packed, in.br, whole); t.failed != nil {
			close(t.done)
			break
		}
		go t.run(check)
	}
	a.depth = min(a.depth+2, a.limit) // one more would only be waited for
}

// peekXZHead returns the header of the block that comes next, if it is one that parseXZHead understands.
func peekXZHead(in *input) (h xzHead, ok bool, err error) {
	size, err := in.br.Peek(1)
	if err != nil || size[0] == 0 {
		return h, false, err
	}
	head, err := in.br.Peek((int(size[0]) + 1) * 4)
	if err != nil {
		return h, false, err
	}
	h, ok = parseXZHead(head)
	return h, ok, nil
}

// run decodes the block.
func (t *xzTask) run(check int) {
	defer close(t.done)
	var in input
	in.reset(bytes.NewReader(t.packed.Bytes()), t.off)
	in.br.Discard(t.head.size)
	t.chunks.open(&in, t.head, check)
	t.chunks.whole = true
	for t.chunks.err == nil {
		t.chunks.err = t.chunks.next()
	}
	t.chunks.in, t.chunks.ready = nil, 0
}

// take returns the block that comes next; nil if the decoder must decode it. Then in has it again, and those after it.
func (a *xzAhead) take(in *input) *xzTask {
	if len(a.tasks) == 0 {
		return nil
	}
	t := a.tasks[0]
	if <-t.done; t.failed == nil && t.chunks.err == errXZEnd {
		a.tasks = a.tasks[1:]
		return t
	}
	var parts []io.Reader
	failed := error(nil)
	for _, t := range a.tasks {
		<-t.done
		parts = append(parts, bytes.NewReader(t.packed.Bytes()))
		failed = t.failed
	}
	if failed != nil {
		parts = append(parts, failedReader{failed})
	} else {
		buffered, _ := in.br.Peek(in.br.Buffered())
		parts = append(parts, bytes.NewReader(bytes.Clone(buffered)), in.r)
	}
	in.reset(io.MultiReader(parts...), t.off)
	*a = xzAhead{} // no more blocks are decoded ahead
	return nil
}

// failedReader is a reader that fails.
type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }

// release makes the memory of a block that take has returned free for others.
func (a *xzAhead) release(t *xzTask) {
	a.held -= t.head.packed + t.head.plain
	a.idle = append(a.idle, t)
}

// wait waits for all goroutines.
func (a *xzAhead) wait() {
	for _, t := range a.tasks {
		<-t.done
	}
}
