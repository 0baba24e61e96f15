package gs_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/gs"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// buckets are those in which the store itself writes.
type buckets struct {
	*servers.GCS
	n atomic.Int64
}

// place returns an empty bucket.
func (b *buckets) place(t *testing.T, st store.Store) storetest.Harness {
	bucket := fmt.Sprint("written", b.n.Add(1))
	b.Bucket(t, bucket)
	root := "gs://" + bucket + "/"
	return storetest.Harness{Store: st, Prefix: root + "d /", Missing: "gs://no-such-bucket/d/", Apart: true,
		Names:  []string{" ", "?a#b", "a/../b", "a//b"},
		Remove: func(t *testing.T, name string) { b.Remove(t, bucket, strings.TrimPrefix(name, root)) },
		List: func() (names []string) {
			for _, name := range b.List(t, bucket) {
				names = append(names, root+name)
			}
			return names
		}}
}

func TestWrite(t *testing.T) {
	b := &buckets{GCS: servers.FakeGCS(t)}
	st := open(t, b.Env())
	storetest.Run(t, func(t *testing.T) storetest.Harness { return b.place(t, st) })
}

// Whatever happens to a request, an object is whole or as it was before.
func TestWriteFaults(t *testing.T) {
	b := &buckets{GCS: servers.FakeGCS(t)}
	proxy := faultproxy.New(t, newSessions(t, b.URL).URL)
	direct := open(t, b.Env())
	broken := func(t *testing.T, budget, silence time.Duration) storetest.Faulty {
		st := remote.New(remotetest.Quick(t, budget, silence),
			&gs.Service{Getenv: storetest.Getenv("STORAGE_EMULATOR_HOST=" + proxy.URL)})
		return storetest.Faulty{Harness: b.place(t, st), Proxy: proxy, Direct: direct}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, broken) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, broken) })
}

// sessions is a proxy before fake-gcs-server, which puts right what that does wrong
// (findings/fake-gcs-server-sessions.sh): it passes on no bytes that a session has.
type sessions struct {
	*httptest.Server
	forward http.HandlerFunc

	mu  sync.Mutex
	has map[string]int64 // bytes of sessions, by their ids
}

func newSessions(t *testing.T, server string) *sessions {
	to, err := url.Parse(server)
	storetest.Check(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	s := &sessions{has: map[string]int64{}, forward: func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r.WithContext(t.Context())) // also if the client has left: the server gets what is counted
	}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
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
	body, err := io.ReadAll(r.Body)
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
