package remote

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Whatever is waited for, the end of the context ends it at once, and nothing has changed after that.
func TestContextEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault string
		set   func(p *Place)
	}{
		{"headers", "hang@1-", nil},
		{"a body", "stall@1-", nil},
		{"a pause", "500@1-", nil},
		{"Retry-After", "slowdown@1-", nil},
		{"credentials", "plain", func(p *Place) {
			p.Sign = func(ctx context.Context, r *http.Request) error {
				if r.Header.Get("If-Match") == "" {
					return nil
				}
				<-ctx.Done()
				return errors.New("something about the context")
			}
		}},
		{"new credentials", "403@1-", func(p *Place) {
			p.Renew = func(ctx context.Context, _ *http.Request) bool { <-ctx.Done(); return false }
		}},
		{"its turn", "hang@1-", func(*Place) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opt := quick()
			opt.Budget, opt.FirstPause, opt.MostPause, opt.Pace = 1000*time.Hour, time.Hour, time.Hour, time.Hour
			opt.Silence, opt.Connections = time.Hour, 2
			s, e, data := setUp(t, 2_000_000, opt)
			o, err := New(e, plainService{tt.set}).Open(t.Context(), s.URL+"/"+tt.fault+"/x")
			check(t, err)
			cause := errors.New("interrupted")
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan error)
			const readers = 5 // more than may ask at a time
			for i := range readers {
				go func() {
					p, off := make([]byte, 100_000), 1_100_000+150_000*i
					_, err := o.ReadAt(ctx, p, int64(off))
					if err == nil && !bytes.Equal(p, data[off:off+len(p)]) {
						err = errors.New("wrong bytes")
					}
					done <- err
				}()
			}
			testtime.Eventually(t, "a request", func() bool {
				return len(s.Requests("/"+tt.fault+"/x")) > 1 || tt.name == "credentials"
			})
			cancel(cause)
			ended := 0
			for range readers {
				switch err := testtime.Receive(t, done, "the end of a read"); {
				case errors.Is(err, cause):
					ended++
				case err != nil || tt.name != "a body": // half of a body can be all that a read has wanted
					t.Errorf("%v", err)
				}
			}
			if ended == 0 {
				t.Error("no read was ended")
			}
			check(t, o.Unchanged(t.Context()))
			p := make([]byte, 100)
			if _, err := o.ReadAt(t.Context(), p, 1000); err != nil || string(p) != string(data[1000:1100]) {
				t.Errorf("a read of what is at hand: %v", err)
			}
			check(t, o.Close())
		})
	}
}

// Requests for one range are never sent more often than the pace, however little each brings.
func TestPace(t *testing.T) {
	for _, fault := range []string{"drip@1-", "trunc@1-", "reset@1-", "close@1-", "500@1-", "shortchunk@1-"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			opt := quick()
			opt.Pace, opt.FirstPause, opt.Budget = 100*time.Millisecond, time.Millisecond, time.Second
			s, e, _ := setUp(t, 2_000_000, opt)
			o, err := New(e, plainService{}).Open(t.Context(), s.URL+"/"+fault+"/x")
			check(t, err)
			err = o.(*Object).Fetch(t.Context(), make([]byte, 300_000), 1_200_000, nil)
			wantError(t, err, store.ErrUnreachable, "")
			all := s.Requests("/" + fault + "/x")[1:]
			if took := all[len(all)-1].At.Sub(all[0].At); len(all) > int(took/opt.Pace)+2 {
				t.Errorf("%d requests in %v", len(all), took)
			}
		})
	}
}

// The user is told what is waited for.
func TestWaits(t *testing.T) {
	var told texts
	opt := quick()
	opt.Detail = told.add
	s, e, _ := setUp(t, 1, opt)
	st := New(e, plainService{func(p *Place) {
		p.Sign = func(ctx context.Context, r *http.Request) error {
			for !strings.Contains(told.String(), "waiting") && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			return nil
		}
	}})
	_, err := st.Open(t.Context(), s.URL+"/plain/x?key="+secret)
	check(t, err)
	if got := told.String(); got != "waiting for credentials of 127.0.0.1" {
		t.Errorf("told: %s", got)
	}
}

// Of a wait for credentials of many seconds the user is told without asking, too.
func TestLongWaitForCredentials(t *testing.T) {
	for took, want := range map[time.Duration]string{
		0:                         "",
		2 * time.Second:           "detail: waiting for x",
		patience + time.Second:    "detail: waiting for x\nwarning: still waiting for x",
		patience + 20*time.Second: "detail: waiting for x\nwarning: still waiting for x",
	} {
		synctest.Test(t, func(t *testing.T) {
			var told texts
			opt := quick()
			opt.Detail = func(text string) { told.add("detail: " + text) }
			opt.Warn = func(text string) { told.add("warning: " + text) }
			e := NewEngine(opt)
			check(t, e.waiting("x", func() error { time.Sleep(took); return nil }))
			synctest.Wait()
			if got := told.String(); got != want {
				t.Errorf("of a wait of %v: %s", took, got)
			}
		})
	}
}

// Of a wait for a server that does not answer for many seconds the user is told once, and without asking.
func TestLongWait(t *testing.T) {
	var told texts
	opt := quick()
	opt.Warn, opt.Budget = told.add, time.Minute
	s, e, _ := setUp(t, 1, opt)
	ctx, cancel := context.WithCancel(t.Context())
	h := e.host(mustParse(t, s.URL))
	r := &retrier{e: e, host: h, since: time.Now().Add(-time.Minute / 2), began: time.Now(), tries: 1}
	for range 3 {
		check(t, r.wait(ctx, &failure{host: "h", text: "500 Internal Server Error"}, 0))
	}
	cancel()
	if got := told.String(); got != "h: 500 Internal Server Error; trying again for up to 1m0s" {
		t.Errorf("told: %s", got)
	}
}
