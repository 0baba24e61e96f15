package gallery

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/ui"
)

const testToken = "0123456789abcdef"

// testServer is a gallery behind a server of the test.
type testServer struct {
	*httptest.Server
	t *testing.T
	g *Gallery
}

// serve serves sources until the test ends.
func serve(t *testing.T, names ...string) *testServer {
	t.Helper()
	return serveIn(t, "", names...)
}

// serveIn is serve with a cache directory.
func serveIn(t *testing.T, cache string, names ...string) *testServer {
	t.Helper()
	return serveWith(t, file.Store{}, cache, names...)
}

// serveWith is serveIn of shards in a store.
func serveWith(t *testing.T, in store.Store, cache string, names ...string) *testServer {
	t.Helper()
	resolved, err := source.ResolveAll(names)
	shardtest.Check(t, err)
	o := Options{Names: resolved, Token: testToken}
	o.Source.UI = &ui.UI{Out: io.Discard, Err: io.Discard}
	o.Source.Shard.Store, o.Source.Shard.CacheDir = in, cache
	g, err := New(t.Context(), o)
	shardtest.Check(t, err)
	s := &testServer{httptest.NewServer(g), t, g}
	t.Cleanup(func() {
		s.Close()
		shardtest.Check(t, g.Close())
	})
	return s
}

// do sends a request for a path below the token, and returns status, headers and body.
func (s *testServer) do(path string, edit func(r *http.Request)) (int, http.Header, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "GET", s.URL+"/"+testToken+"/"+path, nil)
	shardtest.Check(s.t, err)
	if edit != nil {
		edit(r)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	shardtest.Check(s.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	shardtest.Check(s.t, err)
	return answer.StatusCode, answer.Header, string(body)
}

// get returns the JSON at a path.
func (s *testServer) get(path string, v any) {
	s.t.Helper()
	status, _, body := s.do(path, nil)
	if status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, status, body)
	}
	shardtest.Check(s.t, json.Unmarshal([]byte(body), v))
}

// What is not allowed is refused before anything is read.
func TestGuard(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt"))
	for _, tt := range []struct {
		name string
		edit func(r *http.Request)
		want int
	}{
		{"the page", func(r *http.Request) {}, 200},
		{"another host", func(r *http.Request) { r.Host = "evil.example" }, 421},
		{"a name that begins like ours", func(r *http.Request) { r.Host = "localhost.evil.example" }, 421},
		{"no host", func(r *http.Request) { r.Host = "." }, 421},
		{"another address", func(r *http.Request) { r.Host = "192.0.2.1" }, 421},
		{"localhost", func(r *http.Request) { r.Host = "localhost:1" }, 200},
		{"IPv6", func(r *http.Request) { r.Host = "[::1]:1" }, 200},
		{"another origin", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403},
		{"no origin", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"another port", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"our origin", func(r *http.Request) { r.Header.Set("Origin", "http://"+r.URL.Host) }, 200},
		{"embedded", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"followed", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
		}, 200},
		{"data followed", func(r *http.Request) {
			r.URL.Path += "api/set"
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
		}, 403},
		{"no token", func(r *http.Request) { r.URL.Path = "/" }, 404},
		{"an empty token", func(r *http.Request) { r.URL.Path = "//api/set" }, 404},
		{"another token", func(r *http.Request) { r.URL.Path = "/0123456789abcdeX/api/set" }, 404},
		{"half a token", func(r *http.Request) { r.URL.Path = "/01234567/api/set" }, 404},
		{"no slash", func(r *http.Request) { r.URL.Path = "/" + testToken }, 308},
		{"a method", func(r *http.Request) { r.Method = "POST" }, 405},
		{"a body", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
		}, 413},
		{"a body of unknown length", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), -1
		}, 413},
	} {
		status, h, body := s.do("", tt.edit)
		if status != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, status, tt.want)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no protection: %v", tt.name, h)
		}
		if status >= 400 && strings.Contains(body, testToken) {
			t.Errorf("%s: the token is told: %s", tt.name, body)
		}
	}
}

// A ticket leads to the page once.
func TestTicket(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt"))
	ticket := s.g.Ticket()
	use := func(r *http.Request) { r.URL.Path = ticket }
	if status, h, _ := s.do("", use); status != 303 || h.Get("Location") != "/"+testToken+"/" {
		t.Errorf("first use: %d %v", status, h)
	}
	if status, h, _ := s.do("", use); status != 404 || h.Get("Location") != "" {
		t.Errorf("second use: %d %v", status, h)
	}
}

// No parameter becomes a path, or a number that is out of range.
func TestBadParameters(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt", "b.txt"))
	for path, want := range map[string]int{
		"..":                              404,
		"../../etc/passwd":                404,
		"page/index.html":                 404,
		"api":                             404,
		"api/":                            404,
		"api/..":                          404,
		"api/nothing":                     404,
		"api/sample/":                     404,
		"api/sample/..":                   404,
		"api/sample/2":                    404,
		"api/sample/-1":                   404,
		"api/sample/01":                   404,
		"api/sample/99999999999999999999": 404,
		"api/sample/0/..":                 404,
		"api/samples?from=-1":             400,
		"api/samples?count=501":           400,
		"api/samples?from=..":             400,
		"api/samples?from=0x1":            400,
		"raw/0/1":                         404,
		"raw/0/..":                        404,
		"raw/../0":                        404,
		"raw/0/0?before=..":               400,
		"thumb/0/0?side=9999999":          400,
		"thumb/0/0?side=../x":             400,
		"thumb/0/0":                       415,
	} {
		status, _, body := s.do(path, func(r *http.Request) {
			before, _, _ := strings.Cut(path, "?")
			r.URL.Opaque = "//" + r.URL.Host + "/" + testToken + "/" + before // as it is
		})
		if status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
		var e struct{ Error string }
		if json.Unmarshal([]byte(body), &e) != nil || e.Error == "" || strings.Contains(e.Error, "\n") {
			t.Errorf("%s: no line of an error: %q", path, body)
		}
	}
}

func TestSamples(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.cls", "a.txt", "b.txt"), shardtest.Write(t, "c.json"))
	var set setJSON
	testtime.Eventually(t, "the samples of both shards", func() bool {
		s.get("api/set", &set)
		return set.Samples == 3
	})
	if len(set.Shards) != 2 || set.Shards[1].First != 2 || set.Shards[1].State != ready {
		t.Errorf("set: %+v", set)
	}
	var all samplesJSON
	s.get("api/samples?from=0&count=10", &all)
	if all.Total != 3 || len(all.Samples) != 3 || all.Samples[0].Cells["cls"] != "a.cls" ||
		all.Samples[2].Key != "c" || all.Samples[2].Shard != 1 || all.Samples[0].Members[1].Ext != "txt" {
		t.Errorf("samples: %+v", all)
	}
	var one detailJSON
	s.get("api/sample/2", &one)
	if one.Key != "c" || one.Members[0].Name != "c.json" || *one.Members[0].Offset != 512 ||
		!strings.HasPrefix(one.Command, "shardfs cat /") {
		t.Errorf("sample: %+v", one)
	}
	if status, h, body := s.do("raw/2/0", nil); status != 200 || body != "c.json" ||
		h.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("raw: %d %v %q", status, h, body)
	}
	ranged := func(r *http.Request) { r.Header.Set("Range", "bytes=2-3") }
	status, h, body := s.do("raw/2/0", ranged)
	if status != 206 || body != "js" || h.Get("Content-Range") != "bytes 2-3/6" {
		t.Errorf("range: %d %v %q", status, h, body)
	}
}
