package scratch

import (
	"encoding/json"
	"errors"
	"net"
	"testing"
)

// odd is a listener whose first calls of Accept fail.
type odd struct {
	conns  chan net.Conn
	fails  int
	closed chan struct{}
}

func (o *odd) Accept() (net.Conn, error) {
	if o.fails--; o.fails >= 0 {
		return nil, errors.New("too many open files")
	}
	select {
	case c := <-o.conns:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

func (o *odd) Close() error {
	close(o.closed)
	return nil
}

// A socket at which no connection can be accepted for a while is answered later, and closing waits for the answer in progress.
func TestAnswererGoesOn(t *testing.T) {
	l := &odd{conns: make(chan net.Conn), fails: 2, closed: make(chan struct{})}
	a := &answerer{l: l, answer: func() Answer { return Answer{Stats: "all"} }, closing: make(chan struct{}),
		done: make(chan struct{})}
	go a.run()
	ours, theirs := net.Pipe()
	l.conns <- theirs
	var got Answer
	if err := json.NewDecoder(ours).Decode(&got); err != nil || got.Stats != "all" {
		t.Errorf("%+v, %v", got, err)
	}
	ours.Close()
	a.close()
	select {
	case <-a.done:
	default:
		t.Error("closed while it still runs")
	}
}
