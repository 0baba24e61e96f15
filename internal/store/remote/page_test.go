package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// Do gets whole answers, tries again as for objects, and takes nothing else than a 200.
func TestDo(t *testing.T) {
	opt := quick()
	opt.Silence = 300 * time.Millisecond
	for _, tt := range []struct {
		fault string
		is    error
		text  string
		most  int
	}{
		{"plain", nil, "", 1}, {"500@0-1", nil, "", 3}, {"trunc@0", nil, "", 2}, {"reset@0", nil, "", 2},
		{"hop5", nil, "", 1}, {"chunked", nil, "", 1}, {"hang@0", nil, "", 2}, {"stall@0", nil, "", 2},
		{"stall", store.ErrUnreachable, "no data for 300ms", 20},
		{"416", store.ErrUnreachable, "416 Requested Range Not Satisfiable", 2},
		{"loop", store.ErrUnreachable, "more than 5 redirects", 6},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			opt := opt
			if tt.is == nil {
				opt.Budget, opt.FirstBudget = time.Minute, time.Minute
			}
			s, e, data := setUp(t, 100_000, opt)
			_, body, err := e.Do(t.Context(), &Place{URL: mustParse(t, s.URL+"/"+tt.fault+"/x?key="+secret)})
			wantError(t, err, tt.is, tt.text)
			if err == nil && !bytes.Equal(body, data) {
				t.Errorf("%d wrong bytes", len(body))
			}
			if n := len(s.Requests("/" + tt.fault + "/x")); n > tt.most {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// An answer that never ends is not kept, and a body is sent.
func TestDoLimit(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) != "question" || r.Method != http.MethodGet {
			t.Errorf("%s with %q", r.Method, b)
		}
		for range 17 {
			w.Write(make([]byte, 1<<20))
		}
	}))
	defer h.Close()
	e := NewEngine(quick())
	defer e.Close()
	_, _, err := e.Do(t.Context(), &Place{URL: mustParse(t, h.URL), Body: []byte("question")})
	wantError(t, err, store.ErrUnreachable, "an answer of more than 16 MiB")
}

// listing is a service that lists.
type listing struct{ plainService }

func (listing) List(ctx context.Context, prefix string, do Do) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		p := &Place{}
		p.URL, _ = p.URL.Parse(prefix)
		_, body, err := do(ctx, p)
		yield(store.Entry{Name: string(body)}, err)
	}
}

func TestList(t *testing.T) {
	s, e, _ := setUp(t, 1, quick())
	s.Put("x", []byte("list"))
	for entry, err := range New(e, listing{}).List(t.Context(), s.URL+"/503@0/x") {
		if err != nil || entry.Name != "list" {
			t.Errorf("%+v, %v", entry, err)
		}
	}
	for _, err := range New(e, plainService{}).List(t.Context(), "http://h/") {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "http:// cannot be listed") {
			t.Errorf("%v", err)
		}
	}
}
