package remote

import (
	"archive/tar"
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
)

// A version can be a part of the URL. Where it is not there any more, what is there now is told.
func TestPinInQuery(t *testing.T) {
	data := noise(2_000_000)
	var generation atomic.Int64
	generation.Store(7)
	number := func() string { return string(rune('0' + generation.Load())) }
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("alt") != "media" {
			t.Errorf("the query is %q", r.URL.RawQuery)
		}
		if g := r.URL.Query().Get("generation"); g != "" && g != number() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Goog-Generation", number())
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer h.Close()
	e := NewEngine(quick())
	defer e.Close()
	service := plainService{place: func(p *Place) {
		p.Pin = func(h http.Header) Pin {
			g := h.Get("X-Goog-Generation")
			return Pin{Version: store.Version(g), Strong: g != "", Query: url.Values{"generation": {g}}}
		}
	}}
	o, err := New(e, service).Open(t.Context(), h.URL+"/x?alt=media")
	check(t, err)
	contains(t, o, data)
	generation.Store(8)
	err = o.(*Object).Fetch(t.Context(), make([]byte, 10), 1_500_000, nil)
	if !errors.Is(err, store.ErrChanged) || err.Error() != "overwritten while in use (version 7 -> 8)" {
		t.Errorf("%v", err)
	}
}

// Ranges of an object that is stored encoded are of the stored bytes, if the service says so.
func TestStoredEncoding(t *testing.T) {
	for _, tt := range []struct {
		stored, known string
		is            error
	}{
		{"gzip", "gzip", nil}, {"", "", nil}, {"identity", "", nil},
		{"gzip", "", store.ErrUnreachable}, {"br", "gzip", store.ErrUnreachable},
	} {
		s, e, data := setUp(t, 2_000_000, quick())
		o := s.Object("x")
		o.Header = http.Header{"Content-Encoding": {tt.stored}}
		s.PutObject("x", o)
		service := plainService{place: func(p *Place) {
			p.Pin = func(h http.Header) Pin {
				pin := etagPin(h)
				pin.Encoding = tt.known
				return pin
			}
		}}
		object, err := New(e, service).Open(t.Context(), s.URL+"/plain/x")
		wantError(t, err, tt.is, "encoded as")
		if err == nil {
			contains(t, object, data)
		}
	}
}

// ETags are compared as they are, whatever they look like.
func TestETags(t *testing.T) {
	for _, etag := range []string{
		`"d41d8cd98f00b204e9800998ecf8427e-12"`, `"a" b"`, `""`, "unquoted", `W/"1"`, `"0x8D,x"`,
	} {
		s, e, data := setUp(t, 2_000_000, quick())
		s.PutObject("x", faultserver.Object{Data: data, ETag: etag})
		// a server that takes no condition
		o, err := New(e, plainService{}).Open(t.Context(), s.URL+"/ignorematch/x")
		check(t, err)
		contains(t, o, data)
		s.PutObject("x", faultserver.Object{Data: data, ETag: etag + "x"})
		err = o.(*Object).Fetch(t.Context(), make([]byte, 10), 1_500_000, nil)
		if !errors.Is(err, store.ErrChanged) {
			t.Errorf("%s: %v", etag, err)
		}
	}
}

// Flipped bits of a tar header, which no header of an answer shows, are found by its own sum.
func TestFlippedHeader(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range []struct {
		name string
		size int64
	}{{"a.txt", 1024}, {"b.txt", 512}} {
		check(t, w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: m.size}))
		_, err := w.Write(make([]byte, m.size))
		check(t, err)
	}
	check(t, w.Close())
	s, e, _ := setUp(t, 0, quick())
	s.Put("x", b.Bytes())
	for fault, is := range map[string]error{"plain": nil, "flip": index.ErrDamaged} {
		sh, err := shard.Open(t.Context(), s.URL+"/"+fault+"/x", shard.Options{Store: New(e, plainService{})})
		if !errors.Is(err, is) {
			t.Errorf("%s: %v", fault, err)
		}
		if err == nil {
			check(t, sh.Close())
		}
	}
}
