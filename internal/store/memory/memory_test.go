package memory

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/shardfs/shardfs/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		s := New()
		return storetest.Harness{Store: s, Prefix: "memory://", List: s.Names, Block: func() <-chan struct{} {
			fault, waiting := Blocked()
			s.SetFault(fault)
			began := make(chan struct{})
			go func() {
				<-waiting
				close(began)
			}()
			return began
		}}
	})
}

// A fault shortens a read, fails it, or both, until it is removed.
func TestFault(t *testing.T) {
	errFault := errors.New("fault")
	s := New()
	s.Put("a", []byte("0123456789"))
	o, err := s.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		n    int
		err  error
		want string
	}{{0, errFault, ""}, {3, errFault, "234"}, {3, io.ErrUnexpectedEOF, "234"}, {3, nil, "234"}, {5, nil, "23456"}} {
		s.SetFault(func(_ context.Context, r Read) (int, error) {
			if r != (Read{"a", 2, 5}) {
				t.Errorf("asked about %+v", r)
			}
			return tt.n, tt.err
		})
		p := make([]byte, 5)
		if n, err := o.ReadAt(t.Context(), p, 2); string(p[:n]) != tt.want || err != tt.err {
			t.Errorf("%d, %v: read %q, %v", tt.n, tt.err, p[:n], err)
		}
	}
	s.SetFault(nil)
	if n, err := o.ReadAt(t.Context(), make([]byte, 5), 0); n != 5 || err != nil {
		t.Errorf("without a fault: %d bytes, %v", n, err)
	}
	s.Remove("a")
	if err := o.Unchanged(t.Context()); err == nil {
		t.Error("an object that was removed is unchanged")
	}
}
