package remote

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
)

// plainService is a service whose names are URLs.
type plainService struct {
	place func(p *Place) // changes each Place; may be nil
}

func (s plainService) Locate(_ context.Context, name string) (*Place, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, err
	}
	p := &Place{URL: u, Pin: etagPin}
	if s.place != nil {
		s.place(p)
	}
	return p, nil
}

// etagPin is the Pin of web servers.
func etagPin(h http.Header) Pin {
	etag := h.Get("ETag")
	p := Pin{Version: store.Version(etag), Strong: strings.HasPrefix(etag, `"`)}
	p.ModTime, _ = http.ParseTime(h.Get("Last-Modified"))
	if p.Strong {
		p.Header = http.Header{"If-Match": {etag}}
	}
	return p
}

// texts collects what an engine tells.
type texts struct {
	mu   sync.Mutex
	list []string
}

func (t *texts) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, text)
}

func (t *texts) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.list, "\n")
}

// quick are options of an engine that waits for nothing long.
func quick() Options {
	return Options{Budget: 600 * time.Millisecond, FirstBudget: 300 * time.Millisecond,
		FirstPause: 20 * time.Millisecond,
		MostPause:  100 * time.Millisecond, Pace: 10 * time.Millisecond, Stall: 5 * time.Second,
		Silence: 20 * time.Second}
}

// open makes a server with an object of n bytes, and an engine.
func setUp(t *testing.T, n int, o Options) (*faultserver.Server, *Engine, []byte) {
	t.Helper()
	s := faultserver.New(t)
	data := noise(n)
	s.Put("x", data)
	e := NewEngine(o)
	t.Cleanup(e.Close)
	return s, e, data
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contains fails the test if an object has other bytes.
func contains(t *testing.T, o store.Object, want []byte) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(store.At(t.Context(), o), 0, o.Size()))
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("%d wrong bytes of %d", len(got), len(want))
	}
}
