package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// wire connects a client with a server through the relay, in memory, so that tests of times need no real ones.
func wire(r *Relay) (client, server net.Conn) {
	client, near := net.Pipe()
	far, server := net.Pipe()
	start := time.Now()
	r.all.Go(func() { r.forward(near, far, start) })
	return client, server
}

// Connections get their own rate, and all together that of the line; each within 2 %.
func TestRate(t *testing.T) {
	const line, own, each = 125e6, 40e6, 16 << 20
	for _, tt := range []struct {
		options     Options
		connections int
		want        float64 // bytes a second
	}{
		{Options{RTT: 20 * time.Millisecond, Line: line, Conn: own}, 1, own},
		{Options{RTT: 20 * time.Millisecond, Line: line, Conn: own}, 2, 2 * own},
		{Options{RTT: 20 * time.Millisecond, Line: line, Conn: own}, 4, line},
		{Options{RTT: 20 * time.Millisecond, Line: line, Conn: own}, 16, line},
		{Options{Line: line}, 1, line},
		{Options{Conn: own}, 3, 3 * own},
		{Options{Line: 20_000}, 2, 20_000},
	} {
		synctest.Test(t, func(t *testing.T) {
			size := int64(min(each, tt.want*4))
			r := newRelay("", tt.options)
			start := time.Now()
			var all sync.WaitGroup
			for range tt.connections {
				client, server := wire(r)
				all.Go(func() { io.CopyN(server, zeros{}, size); server.Close() })
				all.Go(func() {
					if n, err := io.Copy(io.Discard, client); n != size || err != nil {
						t.Errorf("%d bytes, %v, want %d", n, err, size)
					}
				})
			}
			all.Wait()
			took := time.Since(start) - tt.options.RTT/2
			r.Close()
			got := float64(size) * float64(tt.connections) / took.Seconds()
			if got < 0.97*tt.want || got > 1.02*tt.want { // the first round trips have not the whole line
				t.Errorf("%+v, %d connections: %.4g bytes/s, want %.4g", tt.options, tt.connections, got, tt.want)
			}
			if got := r.Counts().Down; got != size*int64(tt.connections) {
				t.Errorf("%d bytes are counted", got)
			}
		})
	}
}

// zeros reads as zero bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// The first answer takes the handshake's round trip and its own, the next ones one each, after a pause too.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 20 * time.Millisecond
		r := newRelay("", Options{RTT: rtt, Line: 1e6})
		defer r.Close()
		client, server := wire(r)
		go io.Copy(server, server)
		start := time.Now()
		for i, want := range []time.Duration{2 * rtt, 3 * rtt, 4 * rtt, 24 * rtt} {
			if i == 3 {
				time.Sleep(19 * rtt)
			}
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got < want || got > want+100*time.Microsecond {
				t.Errorf("answer %d after %v, want %v", i, got, want)
			}
		}
	})
}

// A client that does not read holds up its server, not the relay's memory.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay("", Options{RTT: 20 * time.Millisecond, Conn: 40e6})
		_, server := wire(r)
		var sent atomic.Int64
		go func() {
			for {
				n, err := server.Write(make([]byte, 1000))
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Hour)
		if got := sent.Load(); got < 1<<20 || got > 3<<20 {
			t.Errorf("%d bytes were taken", got)
		}
		r.Close()
	})
}

// echo starts a server that sends back what it gets, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	return ln.Addr().String()
}

// listen returns a relay before an echo.
func listen(t *testing.T, o Options) *Relay {
	t.Helper()
	r, err := Listen(echo(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func dial(t *testing.T, r *Relay) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// All bytes arrive, in order, and the end of each direction does.
func TestForward(t *testing.T) {
	r := listen(t, Options{RTT: time.Millisecond})
	want := make([]byte, 5<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 8)
	}
	c := dial(t, r)
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(want)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("other bytes came back, %d", len(got))
	}
	if got, want := r.Counts(), (Counts{1, int64(len(want)), int64(len(want))}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
}

// exchange sends a byte and waits for it to come back.
func exchange(c net.Conn) error {
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestCut(t *testing.T) {
	r := listen(t, Options{})
	c := dial(t, r)
	if err := exchange(c); err != nil {
		t.Fatal(err)
	}
	r.Cut()
	if err := exchange(c); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after Cut: %v", err)
	}
	if err := exchange(dial(t, r)); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

func TestStall(t *testing.T) {
	r := listen(t, Options{})
	old := dial(t, r)
	if err := exchange(old); err != nil {
		t.Fatal(err)
	}
	testtime.Eventually(t, "the counts", func() bool { return r.Counts() == Counts{1, 1, 1} })
	r.Stall()
	r.Stall()
	before := r.Counts()
	answers := make(chan error, 2)
	for _, c := range []net.Conn{old, dial(t, r)} {
		go func() { answers <- exchange(c) }()
	}
	testtime.Eventually(t, "the second connection", func() bool { return r.Counts().Connections == 2 })
	select {
	case err := <-answers:
		t.Errorf("an answer, %v", err)
	case <-time.After(20 * time.Millisecond): // an answer would take less than one
	}
	if got := r.Counts(); got.Up != before.Up || got.Down != before.Down {
		t.Errorf("bytes have passed: %+v, before %+v", got, before)
	}
	r.Resume()
	r.Resume()
	for range 2 {
		if err := testtime.Receive(t, answers, "the answers"); err != nil {
			t.Error(err)
		}
	}
}

// A stalled relay can be closed.
func TestCloseStalled(t *testing.T) {
	r := listen(t, Options{})
	c := dial(t, r)
	r.Stall()
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	if err := testtime.Receive(t, closed, "the end of the relay"); err != nil {
		t.Error(err)
	}
}

func TestRefuse(t *testing.T) {
	r := listen(t, Options{})
	old := dial(t, r)
	if err := exchange(old); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Refuse(), r.Refuse()); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", r.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial = %v, %v", c, err)
	}
	if err := exchange(old); err != nil {
		t.Errorf("the open connection: %v", err)
	}
	if err := errors.Join(r.Accept(), r.Accept()); err != nil {
		t.Fatal(err)
	}
	if err := exchange(dial(t, r)); err != nil {
		t.Errorf("after Accept: %v", err)
	}
}

// Where there is no server, connections are reset.
func TestNoServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Listen(ln.Addr().String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ln.Close()
	c, err := net.Dial("tcp", r.Addr())
	if err == nil {
		defer c.Close()
		err = exchange(c)
	}
	if err == nil {
		t.Error("no error")
	}
}
