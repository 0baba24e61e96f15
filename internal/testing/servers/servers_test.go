package servers

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Each server answers with what was put into it, and is gone after the test.
func TestServers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(t testing.TB) *Server
	}{
		{"nginx", func(t testing.TB) *Server {
			w := Nginx(t)
			w.Put(t, "a/b.tar", []byte("hello"))
			answer, err := http.Get(w.URL + "/a/b.tar")
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if text, err := io.ReadAll(answer.Body); string(text) != "hello" || err != nil {
				t.Errorf("nginx: %s: %q, %v", answer.Status, text, err)
			}
			return w.Server
		}},
		{"versitygw", func(t testing.TB) *Server {
			s := Versitygw(t)
			putAndGet(t, s)
			if _, err := os.Stat(filepath.Join(s.Dir, "bucket", "a", "b c+%.tar")); err != nil {
				t.Errorf("the file of the object: %v", err)
			}
			return s.Server
		}},
		{"rclone", func(t testing.TB) *Server { s := Rclone(t); putAndGet(t, s); return s.Server }},
		{"minio", func(t testing.TB) *Server { s := MinIO(t); putAndGet(t, s); return s.Server }},
		{"swift", func(t testing.TB) *Server {
			s := Swift(t)
			s.Container(t, "container")
			s.Put(t, "container", "a/b c+%.tar", []byte("hello"))
			if text := s.Do(t, http.MethodGet, "container", "a/b c+%.tar", nil, nil); string(text) != "hello" {
				t.Errorf("the object contains %q", text)
			}
			s.Forget(t)
			putAndGet(t, s.S3())
			return s.Server
		}},
		{"fake-gcs-server", func(t testing.TB) *Server { return FakeGCS(t).Server }},
		{"azurite", func(t testing.TB) *Server { return Azurite(t).Server }},
	} {
		t.Run(tt.name, func(t *testing.T) { stops(t, tt.start) })
	}
}

// putAndGet puts an object into an S3 server and gets it.
func putAndGet(t testing.TB, s *S3) {
	s.Bucket(t, "bucket")
	s.Put(t, "bucket", "a/b c+%.tar", []byte("hello"))
	if text := s.do(t, http.MethodGet, "bucket", "a/b c+%.tar", nil, nil); !bytes.Equal(text, []byte("hello")) {
		t.Errorf("the object contains %q", text)
	}
}

// stops starts a server in a test of its own and checks that its process does not survive the test.
func stops(t *testing.T, start func(t testing.TB) *Server) {
	var s *Server
	if !t.Run("start", func(t *testing.T) { s = start(t) }) || s == nil {
		t.SkipNow()
	}
	testtime.Eventually(t, "the end of the server", func() bool { return syscall.Kill(s.PID, 0) == syscall.ESRCH })
}
