// Package relay is a slow network: it forwards the connections of clients to a server, with a delay, with limits of the
// rate, and with faults.
//
// A [Relay] listens on the loopback interface. A byte passes when the line, which all connections share, and its own
// connection have carried the bytes before it; half a round trip later it arrives. The two directions do not wait for
// each other. What a client sends in the first round trip of its connection leaves at the end of that, as if the
// handshake had taken as long. Windows that grow and packets that are lost are not imitated.
//
// Only tests and the bench import this package.
package relay

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe the network. The zero value is one without delay and limits.
type Options struct {
	RTT  time.Duration // round trip; 0 adds nothing to that of the loopback interface
	Line int64         // bytes a second of all connections together, in each direction; 0 means no limit
	Conn int64         // the same of each connection; 0 means no limit
}

// Counts are what has passed since the relay was started.
type Counts struct {
	Connections int64 // accepted
	Up, Down    int64 // bytes that have arrived at the server, and at the clients
}

// Relay forwards connections to one server. It is safe for concurrent use.
type Relay struct {
	target   string
	addr     string
	options  Options
	up, down *line

	buffers sync.Pool // of *[mostChunk]byte

	connections, sent, received atomic.Int64

	mu      sync.Mutex
	all     sync.WaitGroup
	ln      net.Listener // nil while connections are refused
	conns   map[*conn]struct{}
	opened  chan struct{} // closed while bytes pass
	stalled bool
	closed  bool
}

// Listen starts a relay to the server at target, a host and port. The caller closes it.
func Listen(target string, o Options) (*Relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := newRelay(target, o)
	r.addr, r.ln = ln.Addr().String(), ln
	r.all.Go(func() { r.accept(ln) })
	return r, nil
}

func newRelay(target string, o Options) *Relay {
	r := &Relay{target: target, options: o, up: newLine(o.Line), down: newLine(o.Line),
		conns: make(map[*conn]struct{}), opened: make(chan struct{})}
	r.buffers.New = func() any { return new([mostChunk]byte) }
	close(r.opened)
	return r
}

// Addr returns the host and port where the relay listens. It stays the same when connections were refused for a while.
func (r *Relay) Addr() string { return r.addr }

// Counts returns what has passed so far.
func (r *Relay) Counts() Counts {
	return Counts{Connections: r.connections.Load(), Up: r.sent.Load(), Down: r.received.Load()}
}

// Close ends the relay and its connections.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	err := r.stopListening()
	r.mu.Unlock()
	r.Cut()
	r.all.Wait()
	return err
}

// Cut resets all connections. What was on its way does not arrive.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.abort()
	}
}

// Stall stops all bytes, as when the network is gone: connections stay open, new ones are accepted, and nothing arrives
// until [Relay.Resume].
func (r *Relay) Stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stalled {
		r.stalled, r.opened = true, make(chan struct{})
	}
}

// Resume ends what [Relay.Stall] began. Bytes that were on their way arrive.
func (r *Relay) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stalled {
		r.stalled = false
		close(r.opened)
	}
}

// Refuse makes the system refuse new connections, as when the server's program has ended, until [Relay.Accept]. Open
// ones go on.
func (r *Relay) Refuse() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopListening()
}

// Accept ends what [Relay.Refuse] began.
func (r *Relay) Accept() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	if r.ln != nil {
		return nil
	}
	ln, err := net.Listen("tcp", r.addr)
	if err != nil {
		return err
	}
	r.ln = ln
	r.all.Go(func() { r.accept(ln) })
	return nil
}

// stopListening closes the listener, if there is one. r.mu is held.
func (r *Relay) stopListening() error {
	if r.ln == nil {
		return nil
	}
	err := r.ln.Close()
	r.ln = nil
	return err
}

// socketBuffer bounds how far the server is ahead of what has passed.
const socketBuffer = 256 << 10

// accept forwards new connections until the listener is closed.
func (r *Relay) accept(ln net.Listener) {
	for {
		client, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a connection that was reset before it was accepted, or too many open files
		}
		start := time.Now()
		r.all.Go(func() {
			server, err := net.Dial("tcp", r.target)
			if err != nil {
				reset(client)
				return
			}
			server.(*net.TCPConn).SetReadBuffer(socketBuffer)
			client.(*net.TCPConn).SetWriteBuffer(socketBuffer)
			r.forward(client, server, start)
		})
	}
}

// forward passes bytes between two connections until both directions have ended or one has failed.
func (r *Relay) forward(client, server net.Conn, start time.Time) {
	c := &conn{relay: r, client: client, server: server, done: make(chan struct{})}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		reset(client)
		reset(server)
		return
	}
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	r.connections.Add(1)
	c.run(start)
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}

// passing returns a channel that is closed while bytes pass.
func (r *Relay) passing() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}
