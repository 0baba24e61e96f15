package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		s := faultserver.New(t)
		e := NewEngine(quick())
		t.Cleanup(e.Close)
		prefix := s.URL + "/plain/"
		return storetest.Harness{Store: New(e, plainService{}), Prefix: prefix,
			Put: func(t *testing.T, name string, data []byte) { s.Put(strings.TrimPrefix(name, prefix), data) }}
	})
}

// Opening an object is one request; what that gets is not asked for again; reads that do not continue others are one
// request each.
func TestRequests(t *testing.T) {
	const size = 3 << 20
	s, e, data := setUp(t, size, quick())
	o, err := New(e, plainService{}).Open(t.Context(), s.URL+"/plain/x")
	check(t, err)
	for _, tt := range []struct {
		off, n   int
		requests int // afterwards
	}{
		{0, 100, 1}, {size - 10, 10, 2}, {headSize - 10, 20, 3}, {headSize - 100, 100, 3},
		{headSize + 500_000, 1000, 4}, {size - 1000, 2000, 5}, {size, 10, 5},
	} {
		p := make([]byte, tt.n)
		n, err := o.ReadAt(t.Context(), p, int64(tt.off))
		want := data[tt.off:min(tt.off+tt.n, size)]
		if !bytes.Equal(p[:n], want) || err != nil && err != io.EOF || err == nil && n < tt.n {
			t.Errorf("%d at %d: %d bytes, %v", tt.n, tt.off, n, err)
		}
		if got := len(s.Requests("/plain/x")); got != tt.requests {
			t.Errorf("%d at %d: %d requests, want %d", tt.n, tt.off, got, tt.requests)
		}
	}
	all := s.Requests("/plain/x")
	for i, want := range []string{"bytes=0-1048575", "bytes=3145718-3145727", "bytes=1048576-1048585"} {
		if got := all[i].Header.Get("Range"); got != want {
			t.Errorf("request %d has the range %q, want %q", i, got, want)
		}
		if got := all[i].Header.Get("If-Match"); (got != "") != (i > 0) {
			t.Errorf("request %d has If-Match %q", i, got)
		}
		if all[i].Remote != all[0].Remote {
			t.Errorf("request %d opens a connection", i)
		}
		if got := all[i].Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("request %d has Accept-Encoding %q", i, got)
		}
	}
	if st := e.Stats(); st.Requests != 5 || st.Bytes != headSize+10+10+1000+990 || st.Retries+st.Hedges != 0 {
		t.Errorf("%+v", st)
	}
}

// Objects of all sizes are opened with one request, and Stat and Confirm get one byte.
func TestSizes(t *testing.T) {
	for _, size := range []int{0, 1, 2, headSize - 1, headSize, headSize + 1} {
		for _, fault := range []string{"plain", "no416range", "empty206", "chunked"} {
			if size == 0 && fault == "chunked" {
				continue // which tells no size
			}
			s, e, data := setUp(t, size, quick())
			name := s.URL + "/" + fault + "/x"
			st := New(e, plainService{})
			o, err := st.Open(t.Context(), name)
			if err != nil {
				t.Errorf("%d bytes, %s: %v", size, fault, err)
				continue
			}
			most := 1
			if size == 0 {
				most = 2
			}
			if n := len(s.Requests("/" + fault + "/x")); n > most {
				t.Errorf("%d bytes, %s: %d requests", size, fault, n)
			}
			contains(t, o, data)
			info, err := st.Stat(t.Context(), name)
			check(t, err)
			if info.Size != int64(size) || info.Version != o.Version() || info.Version == "" {
				t.Errorf("%d bytes, %s: %+v, and the object has version %q", size, fault, info, o.Version())
			}
			before := e.Stats().Bytes
			check(t, store.WitnessOf(st, name, o).Confirm(t.Context()))
			if got := e.Stats().Bytes - before; got > 1 {
				t.Errorf("Confirm gets %d bytes", got)
			}
		}
	}
}

func TestCreate(t *testing.T) {
	s, e, _ := setUp(t, 1, quick())
	_, err := New(e, plainService{}).Create(t.Context(), s.URL+"/plain/y", store.Options{})
	var hinted interface{ Hint() string }
	if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &hinted) || hinted.Hint() == "" {
		t.Errorf("%v", err)
	}
}

func TestMissing(t *testing.T) {
	s, e, _ := setUp(t, 1, quick())
	_, err := New(e, plainService{}).Open(t.Context(), s.URL+"/plain/none?secret=1")
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "secret") ||
		len(s.Requests("/plain/none")) != 1 {
		t.Errorf("%v", err)
	}
}

// An object that a store says to be missing while it is overwritten is asked for once more, and then believed.
func TestUnsure(t *testing.T) {
	for _, comes := range []bool{true, false} {
		s, e, data := setUp(t, 2000, quick())
		st := New(e, plainService{func(p *Place) {
			p.Fault = func(status int, _ http.Header, _ []byte) Fault {
				if comes {
					s.Put("late", data)
				}
				return Fault{Unsure: status == http.StatusNotFound}
			}
		}})
		o, err := st.Open(t.Context(), s.URL+"/plain/late")
		if n := len(s.Requests("/plain/late")); n != 2 {
			t.Errorf("%d requests", n)
		}
		if comes {
			check(t, err)
			contains(t, o, data)
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
}

// An object whose size the service knows already has no other size.
func TestKnownSize(t *testing.T) {
	s, e, data := setUp(t, 3<<20, quick())
	for size, want := range map[int64]error{0: nil, 3 << 20: nil, 3<<20 - 1: store.ErrUnreachable} {
		st := New(e, plainService{func(p *Place) { p.Size = size }})
		o, err := st.Open(t.Context(), s.URL+"/plain/x")
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err == nil {
			contains(t, o, data)
		}
	}
}

// Credentials that cannot be had for a while are asked for again. Those that are wrong are not.
func TestCredentials(t *testing.T) {
	wrong := errors.New("wrong")
	for _, tt := range []struct {
		err   error
		kind  error
		tries int
	}{{fmt.Errorf("%w: busy", store.ErrUnreachable), nil, 3}, {wrong, fs.ErrPermission, 1}} {
		s, e, data := setUp(t, 1000, quick())
		tries := 0
		service := plainService{place: func(p *Place) {
			p.Sign = func(context.Context, *http.Request) error {
				if tries++; tries < 3 {
					return tt.err
				}
				return nil
			}
		}}
		o, err := New(e, service).Open(t.Context(), s.URL+"/plain/x")
		if !errors.Is(err, tt.kind) || tries != tt.tries {
			t.Errorf("%v: after %d tries %v", tt.err, tries, err)
		}
		if err == nil {
			contains(t, o, data)
		}
	}
}
