package remote

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
)

// failing is a Dial that fails a number of times.
type failing struct {
	err   error
	left  atomic.Int64
	dials atomic.Int64
}

func (f *failing) dial(ctx context.Context, network, address string) (net.Conn, error) {
	f.dials.Add(1)
	if f.left.Add(-1) >= 0 {
		return nil, f.err
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// A name that is not resolved, a refused connection and a network that is gone are tried again on new connections, with
// growing pauses, and mean at most that the store cannot be reached.
func TestConnections(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for _, tt := range []struct {
		name  string
		err   error
		fails int64
		text  string // "" if the object is read in the end
	}{
		{"DNS fails once", &net.DNSError{Err: "server misbehaving", Name: "h", IsTemporary: true}, 1, ""},
		{"DNS fails", &net.DNSError{Err: "server misbehaving", Name: "h"}, 1e6,
			"its address cannot be found: server misbehaving ("},
		{"no such host", &net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, 1e6, "no such host ("},
		{"refused twice", refused, 2, ""},
		{"refused", refused, 1e6, "connection refused ("},
		{"unreachable", &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, 1e6, "no route to host ("},
		{"timeout", &net.OpError{Op: "dial", Err: context.DeadlineExceeded}, 1e6,
			"no answer to the attempt to connect ("},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &failing{err: tt.err}
			opt := quick()
			opt.Dial = f.dial
			if f.left.Store(tt.fails); tt.text == "" {
				opt.FirstBudget, opt.Budget = time.Minute, time.Minute
			}
			s, e, data := setUp(t, 1000, opt)
			st := New(e, plainService{})
			start := time.Now()
			o, err := st.Open(t.Context(), s.URL+"/plain/x")
			if tt.text == "" {
				check(t, err)
				contains(t, o, data)
				return
			}
			wantError(t, err, store.ErrUnreachable, tt.text)
			if errors.Is(err, fs.ErrNotExist) || f.dials.Load() > 40 || time.Since(start) > 10*time.Second {
				t.Errorf("%v, %d dials, %v", err, f.dials.Load(), time.Since(start))
			}
		})
	}
}

// A network that goes away while an object is in use, and comes back, is waited for. Without it what is at hand is still
// read, and nothing says that the object is gone or has changed.
func TestNetworkGone(t *testing.T) {
	f := &failing{err: &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}}
	opt := quick()
	opt.Dial = f.dial
	s, e, data := setUp(t, 2_000_000, opt)
	st := New(e, plainService{})
	o, err := st.Open(t.Context(), s.URL+"/plain/x")
	check(t, err)
	f.left.Store(1e6)
	s.HTTP.CloseClientConnections()
	if _, err := o.ReadAt(t.Context(), make([]byte, 10), 100); err != nil {
		t.Errorf("bytes at hand: %v", err)
	}
	_, err = o.ReadAt(t.Context(), make([]byte, 10), 1_999_000)
	wantError(t, err, store.ErrUnreachable, "network is unreachable")
	wantError(t, store.WitnessOf(st, s.URL+"/plain/x", o).Confirm(t.Context()), store.ErrUnreachable, "")
	_, err = st.Stat(t.Context(), s.URL+"/plain/x")
	wantError(t, err, store.ErrUnreachable, "")
	check(t, o.Unchanged(t.Context()))
	f.left.Store(0)
	contains(t, o, data)
	check(t, store.WitnessOf(st, s.URL+"/plain/x", o).Confirm(t.Context()))
}

// A certificate that nobody has signed is final.
func TestCertificate(t *testing.T) {
	s := faultserver.NewTLS(t)
	f := &failing{}
	opt := quick()
	opt.Dial = f.dial
	e := NewEngine(opt)
	defer e.Close()
	_, err := New(e, plainService{}).Open(t.Context(), s.URL+"/plain/x?key="+secret)
	wantError(t, err, store.ErrUnreachable, "certificate")
	wantHint(t, err, "SSL_CERT_FILE")
	if f.dials.Load() != 1 {
		t.Errorf("%d connections", f.dials.Load())
	}
}

// A server that speaks no TLS is final, too.
func TestNotTLS(t *testing.T) {
	s, e, _ := setUp(t, 1, quick())
	_, err := New(e, plainService{}).Open(t.Context(), "https"+s.URL[len("http"):]+"/plain/x")
	wantError(t, err, store.ErrUnreachable, "")
	wantHint(t, err, "is it http?")
	if n := e.Stats().Requests; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A handshake that is never answered ends with the limit of silence.
func TestHandshakeHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close() // nobody accepts
	opt := quick()
	opt.Stall, opt.Silence, opt.Budget = 100*time.Millisecond, 300*time.Millisecond, 500*time.Millisecond
	e := NewEngine(opt)
	defer e.Close()
	_, err = New(e, plainService{}).Open(t.Context(), "https://"+l.Addr().String()+"/plain/x")
	wantError(t, err, store.ErrUnreachable, "no data for 300ms")
}
