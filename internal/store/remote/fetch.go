package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/store"
)

// spill is how many bytes a second connection reads before it takes over from a silent first one.
const spill = 64 << 10

// trickle is how many bytes a server has to send not to be silent.
const trickle = 1 << 10

// fetch is a range of an object that is being read.
type fetch struct {
	t     *target
	p     []byte // filled in order; shortened to what the object has, when that is known
	off   int64  // of p in the object
	plain bool   // the object has to be asked for without a range
	got   func(n int)

	// These belong to the flow that leads, or to nobody.
	want *version // nil if not known yet
	n    int      // how many bytes of p are whole and verified
}

// span is what a flow asks for.
type span struct {
	off, end int64
	want     *version
	whole    bool // without a range
}

// flow is one request of a fetch and its answer. The flow that leads writes to p; another one waits with its first bytes.
type flow struct {
	f      *fetch
	span   span
	cancel context.CancelFunc
	clock  clock
	bytes  atomic.Int64 // of the body
	steps  atomic.Int64 // how often the server was not silent, for others to see that it goes on

	first   chan struct{} // closed when the first bytes are there
	lead    chan struct{} // closed when it may write to p
	done    chan struct{} // closed at its end
	err     error
	version *version
}

// start begins a request.
func (f *fetch) start(ctx context.Context, s span) *flow {
	ctx, cancel := context.WithCancel(ctx)
	w := &flow{f: f, span: s, cancel: cancel,
		first: make(chan struct{}), lead: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer cancel()
		w.err = w.run(ctx)
	}()
	return w
}

// stop ends a flow and waits for its end.
func (w *flow) stop() {
	w.cancel()
	<-w.done
}

// run sends the request, verifies the answer and reads its body.
func (w *flow) run(ctx context.Context) error {
	s := w.span
	text, pin := fmt.Sprintf("bytes=%d-%d", s.off, s.end-1), Pin{}
	if s.whole {
		text = ""
	}
	if s.want != nil {
		pin = s.want.pin
	}
	a, err := w.f.t.ask(ctx, text, pin, &w.clock)
	if err != nil {
		return err
	}
	defer a.done()
	answered, err := verify(a, s.off, s.end-s.off, s.want)
	if err != nil {
		return err
	}
	w.version = answered.version
	b := &body{r: a.Body, w: w, skip: answered.skip, left: answered.n}
	var early []byte
	if !w.leads() {
		early = make([]byte, min(spill, answered.n))
		n, err := io.ReadAtLeast(b, early, min(1, len(early)))
		if err != nil {
			return b.cut(ctx, a, answered.n, err)
		}
		early = early[:n]
		close(w.first)
		select {
		case <-w.lead:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := w.fill(b, early, a.ContentLength < 0); err != nil {
		return b.cut(ctx, a, answered.n, err)
	}
	a.host.succeeded(w.clock.worst)
	return nil
}

func (w *flow) leads() bool {
	select {
	case <-w.lead:
		return true
	default:
		return false
	}
}

// fill writes the body to p: first what was read early. Bytes that p has already are dropped. If only the end of the body
// shows whether it is whole, it tells nobody of the bytes before that.
func (w *flow) fill(b *body, early []byte, open bool) error {
	f := w.f
	if f.want == nil {
		f.want = w.version
		f.p = f.p[:min(int64(len(f.p)), max(0, w.version.size-f.off))]
	} else if err := differs(f.want, w.version); err != nil {
		return err
	}
	before := f.n
	at := int(w.span.off - f.off) // where the next byte of the body belongs
	add := func(n int) {
		if f.n = n; f.got != nil && !open {
			f.got(n)
		}
	}
	if n := f.n - at; n < len(early) {
		copy(f.p[f.n:], early[n:])
		add(at + len(early))
	}
	at += len(early)
	if drop := f.n - at; drop > 0 {
		if _, err := io.CopyN(io.Discard, b, int64(drop)); err != nil {
			return err
		}
	}
	for b.left > 0 {
		n, err := b.Read(f.p[f.n:])
		if n > 0 {
			add(f.n + n)
		}
		if err != nil && b.left > 0 {
			return err
		}
	}
	if open {
		if n, err := b.r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			f.n = before // nothing of it is as it should be
			return errors.Join(errSurplus, err)
		}
		if f.got != nil {
			f.got(f.n)
		}
	}
	return nil
}

// errSurplus is the error of a body that does not end where it should.
var errSurplus = errors.New("a body that is longer than its range")

// body reads the part of a body that was asked for.
type body struct {
	r    io.Reader
	w    *flow
	skip int64
	left int64
	some int // bytes since the last step
}

func (b *body) Read(p []byte) (int, error) {
	for b.skip > 0 {
		n, err := b.r.Read(make([]byte, min(b.skip, spill)))
		b.skip -= int64(n)
		b.came(n)
		if err != nil && b.skip > 0 {
			return 0, err
		}
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.w.bytes.Add(int64(n))
	b.w.f.t.e.bytes.Add(int64(n))
	b.came(n)
	return n, err
}

// came notes that n more bytes have come. Single bytes now and then are silence.
func (b *body) came(n int) {
	if b.some += n; b.some >= trickle || b.left == 0 {
		b.some = 0
		b.w.clock.progress()
		b.w.steps.Add(1)
	}
}

// cut returns what an error of reading a body of n bytes means.
func (b *body) cut(ctx context.Context, a *answer, n int64, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, store.ErrChanged) {
		return err
	}
	if errors.Is(err, errSurplus) {
		return wrong(a, "%v", errSurplus)
	}
	text := fmt.Sprintf("short body: %d of %d bytes", n-b.left, n)
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		text += ": " + connectionText(err)
	}
	return &failure{host: a.host.name, text: text, kind: store.ErrUnreachable, place: a.hop.place}
}
