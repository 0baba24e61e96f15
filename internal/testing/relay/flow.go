package relay

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ahead is how far in advance of the time at which they pass bytes are read. So a goroutine that is woken late, on a
// busy machine, loses no time of the line.
const ahead = 8 * time.Millisecond

// Sizes of what is read at once.
const (
	leastChunk = 4 << 10
	mostChunk  = 64 << 10
)

// A line carries bytes one after the other at a rate.
type line struct {
	rate float64       // bytes a second; 0 means no limit
	turn chan struct{} // has an element while a flow has its turn; the others follow in the order in which they came
	free time.Time     // when the line has carried everything so far; used by the flow that has its turn
}

func newLine(rate int64) *line { return &line{rate: float64(rate), turn: make(chan struct{}, 1)} }

// carry returns when n bytes, which are there since now, have passed. It waits for the flow's turn, and until nearly
// everything before them has passed. It returns false if done is closed before.
func (l *line) carry(n int, now time.Time, done <-chan struct{}) (passed time.Time, ok bool) {
	if l.rate <= 0 {
		return now, true
	}
	select {
	case l.turn <- struct{}{}:
	case <-done:
		return time.Time{}, false
	}
	defer func() { <-l.turn }()
	if !sleep(l.free, ahead, ahead/2, done) {
		return time.Time{}, false
	}
	l.free = latest(now, l.free).Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	return l.free, true
}

// A conn is a client's connection and the one to the server.
type conn struct {
	relay          *Relay
	client, server net.Conn
	once           sync.Once
	done           chan struct{} // closed when the connections are
}

// run forwards in both directions.
func (c *conn) run(start time.Time) {
	r := c.relay
	up := c.flow(c.client, c.server, r.up, &r.sent)
	up.since = start.Add(r.options.RTT)
	down := c.flow(c.server, c.client, r.down, &r.received)
	var both sync.WaitGroup
	for _, f := range []*flow{up, down} {
		both.Go(f.read)
		both.Go(f.write)
	}
	both.Wait()
	c.end(net.Conn.Close)
}

// abort resets both connections.
func (c *conn) abort() { c.end(reset) }

// end closes both connections, once.
func (c *conn) end(closing func(net.Conn) error) {
	c.once.Do(func() {
		close(c.done)
		closing(c.client)
		closing(c.server)
	})
}

// reset closes a connection so that the peer gets a reset if it is still open there.
func reset(c net.Conn) error {
	if c, ok := c.(*net.TCPConn); ok {
		c.SetLinger(0)
	}
	return c.Close()
}

// A flow is one direction of a connection.
type flow struct {
	conn        *conn
	from, to    net.Conn
	shared, own *line
	since       time.Time     // nothing passes before
	delay       time.Duration // from passing to arriving
	chunk       int           // bytes read at once
	count       *atomic.Int64 // bytes that have arrived
	queue       *queue
}

func (c *conn) flow(from, to net.Conn, shared *line, count *atomic.Int64) *flow {
	o := c.relay.options
	f := &flow{conn: c, from: from, to: to, shared: shared, own: newLine(o.Conn), delay: o.RTT / 2, count: count,
		chunk: mostChunk, queue: newQueue(c.done)}
	if rate := slower(o.Line, o.Conn); rate > 0 {
		f.chunk = int(min(max(rate/500, leastChunk), mostChunk)) // 2 ms
		f.queue.window = int(float64(rate)*(f.delay+2*ahead).Seconds()) + 2*mostChunk
	}
	return f
}

// slower returns the lower one of two rates, of which 0 means no limit.
func slower(a, b int64) int64 {
	if a <= 0 || b > 0 && b < a {
		return b
	}
	return a
}

// read reads what the sender sends, not faster than it passes.
func (f *flow) read() {
	var err error
	for err == nil {
		buf := f.conn.relay.buffers.Get().(*[mostChunk]byte)
		var n int
		n, err = f.from.Read(buf[:f.chunk])
		now := time.Now()
		own, ok := f.own.carry(n, now, f.conn.done)
		if !ok {
			return
		}
		shared, ok := f.shared.carry(n, now, f.conn.done)
		if !ok {
			return
		}
		due := latest(own, shared, f.since).Add(f.delay)
		if !f.queue.put(parcel{buf, n, due, err}) {
			return
		}
	}
}

func latest(a time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.After(a) {
			a = t
		}
	}
	return a
}

// write sends parcels when they are due.
func (f *flow) write() {
	for {
		first, ok := f.queue.take()
		if !ok || !sleep(first.due, 0, 0, f.conn.done) || !f.pass() {
			return
		}
		parcels := f.queue.takeDue([]parcel{first}, time.Now())
		var data net.Buffers
		for _, p := range parcels {
			if p.n > 0 {
				data = append(data, p.buf[:p.n])
			}
		}
		n, err := data.WriteTo(f.to)
		f.count.Add(n)
		for _, p := range parcels {
			f.conn.relay.buffers.Put(p.buf)
		}
		if err == nil {
			err = parcels[len(parcels)-1].err
		}
		switch {
		case err == io.EOF:
			f.closeWrite()
			return
		case err != nil:
			f.conn.abort()
			return
		}
	}
}

// closeWrite tells the receiver that nothing more comes.
func (f *flow) closeWrite() {
	if to, ok := f.to.(interface{ CloseWrite() error }); ok {
		to.CloseWrite()
		return
	}
	f.conn.abort()
}

// sleep waits, if t is more than early from now, until it is only wake from now. It returns false if done is closed
// before.
func sleep(t time.Time, early, wake time.Duration, done <-chan struct{}) bool {
	left := time.Until(t)
	if left <= early {
		return true
	}
	timer := time.NewTimer(left - wake)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// pass waits while the relay is stalled. It returns false if the connection was closed meanwhile.
func (f *flow) pass() bool {
	select {
	case <-f.conn.relay.passing():
		return true
	case <-f.conn.done:
		return false
	}
}
