package bearer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tokens is a service that gives numbered tokens, each good for an hour.
type tokens struct {
	count int
	takes time.Duration
	err   error
}

func (s *tokens) fetch(ctx context.Context) (Token, error) {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
	if s.err != nil {
		return Token{}, s.err
	}
	s.count++
	return Token{Value: fmt.Sprint("t", s.count), Expires: time.Now().Add(time.Hour)}, nil
}

// sign returns a signed request, and what it shows.
func sign(t *testing.T, c *Cache) (r *http.Request, shown string) {
	t.Helper()
	r, err := http.NewRequest("GET", "https://store.example/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sign(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r, r.Header.Get("Authorization")
}

// Requests at the same time fetch one token. It is fetched again before it expires.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tokens{takes: time.Second}
		c := New(s.fetch)
		var requests sync.WaitGroup
		for range 8 {
			requests.Go(func() {
				if _, shown := sign(t, c); shown != "Bearer t1" {
					t.Errorf("the request shows %q", shown)
				}
			})
		}
		requests.Wait()
		for _, tt := range []struct {
			wait time.Duration
			want string
		}{{58 * time.Minute, "Bearer t1"}, {time.Minute + time.Second, "Bearer t2"}, {time.Minute, "Bearer t2"}} {
			time.Sleep(tt.wait)
			if _, shown := sign(t, c); shown != tt.want {
				t.Errorf("%v later: %q, want %q", tt.wait, shown, tt.want)
			}
		}
	})
}

// Of several requests that are refused at once, one drops the token.
func TestRenew(t *testing.T) {
	s := &tokens{}
	c := New(s.fetch)
	first, _ := sign(t, c)
	second, _ := sign(t, c)
	for i, refused := range []*http.Request{first, second} {
		if !c.Renew(t.Context(), refused) {
			t.Error("a refused token is not tried anew")
		}
		if _, shown := sign(t, c); shown != "Bearer t2" {
			t.Errorf("after %d refusals: %q", i+1, shown)
		}
	}
	anonymous, _ := http.NewRequest("GET", "https://store.example/a", nil)
	if c.Renew(t.Context(), anonymous) {
		t.Error("a request without a token is tried anew")
	}
}

// While no new token can be had, the old one is used as long as it is good.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tokens{}
		c := New(s.fetch)
		sign(t, c)
		s.err = errors.New("no token")
		time.Sleep(time.Hour - 30*time.Second)
		if _, shown := sign(t, c); shown != "Bearer t1" {
			t.Errorf("near its end: %q", shown)
		}
		time.Sleep(time.Minute)
		r, _ := http.NewRequest("GET", "https://store.example/a", nil)
		if err := c.Sign(t.Context(), r); !errors.Is(err, s.err) || r.Header.Get("Authorization") != "" {
			t.Errorf("after its end: %v", err)
		}
		s.err = nil
		if _, shown := sign(t, c); shown != "Bearer t2" {
			t.Errorf("when there is one again: %q", shown)
		}
	})
}

// A request whose context ends does not wait. No wait is endless.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New((&tokens{takes: time.Hour}).fetch)
		r, _ := http.NewRequest("GET", "https://store.example/a", nil)
		end := errors.New("end")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, end)
		defer cancel()
		if err := c.Sign(ctx, r); !errors.Is(err, end) {
			t.Errorf("after 10 s: %v", err)
		}
		begin := time.Now()
		if err := c.Sign(t.Context(), r); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > atMost {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// A token does not leave the machine without encryption.
func TestPlain(t *testing.T) {
	for _, tt := range []struct {
		url string
		err error
	}{
		{"https://store.example/a", nil}, {"http://127.0.0.1:99/a", nil}, {"http://[::1]/a", nil},
		{"http://localhost/a", nil}, {"http://store.example/a", errPlain}, {"http://10.0.0.1/a", errPlain},
	} {
		r, err := http.NewRequest("GET", tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = New((&tokens{}).fetch).Sign(t.Context(), r)
		if shown := r.Header.Get("Authorization"); !errors.Is(err, tt.err) || (shown != "") != (err == nil) {
			t.Errorf("%s: %v, shows %q", tt.url, err, shown)
		}
	}
	r, _ := http.NewRequest("GET", "http://store.example/a", nil)
	none := New(func(context.Context) (Token, error) { return Token{}, nil })
	if none.IsAnonymous() {
		t.Error("anonymous before anything was fetched")
	}
	if err := none.Sign(t.Context(), r); err != nil || r.Header.Get("Authorization") != "" || !none.IsAnonymous() {
		t.Errorf("anonymous: %v, %v", err, r.Header)
	}
}
