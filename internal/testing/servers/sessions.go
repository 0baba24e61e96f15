package servers

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/whole"
)

// Sessions starts a proxy before the server, and returns its URL. It puts right what fake-gcs-server does wrong when a part
// of a session is sent again (findings/fake-gcs-server-sessions.sh).
func (s *GCS) Sessions(t testing.TB) string {
	t.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	p := httptest.NewServer(&sessions{has: map[string]int64{}, forward: func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r.WithContext(t.Context())) // also if the client has left: the server gets what is counted
	}})
	t.Cleanup(p.Close)
	return p.URL
}

// sessions passes on no bytes that a session has.
type sessions struct {
	forward http.HandlerFunc

	mu  sync.Mutex
	has map[string]int64 // bytes of sessions, by their ids
}

// ServeHTTP implements [http.Handler].
func (s *sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var begin, end int64
	var total string
	n, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%s", &begin, &end, &total)
	if n < 3 {
		s.forward(w, r)
		return
	}
	id := r.URL.Query().Get("upload_id")
	body, err := whole.Read(r.Body, r.ContentLength)
	if err != nil || begin > s.has[id] || end-begin+1 != int64(len(body)) {
		http.Error(w, "a chunk that does not follow the one before, or is cut", http.StatusBadRequest)
		return
	}
	known := min(s.has[id]-begin, int64(len(body)))
	s.has[id] = max(s.has[id], end+1)
	if known == int64(len(body)) && total == "*" {
		w.Header().Set("X-Http-Status-Code-Override", "308")
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", s.has[id]-1))
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body[known:])), int64(len(body))-known
	s.forward(w, r)
}
