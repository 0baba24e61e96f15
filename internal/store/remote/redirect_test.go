package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
)

// signing is a place with credentials.
func signing(signsFor func(*url.URL) bool) plainService {
	return plainService{func(p *Place) {
		p.Header = http.Header{"X-Api": {"1"}}
		p.Sign = func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", secret)
			return nil
		}
		p.SignsFor = signsFor
	}}
}

// A redirect is followed, remembered, and asked for anew when its target refuses. Only hosts that may have them get
// credentials.
func TestRedirect(t *testing.T) {
	for _, tt := range []struct {
		name     string
		signsFor func(*url.URL) bool
		signed   bool
	}{
		{"to another host", nil, false},
		{"inside a cluster", func(*url.URL) bool { return true }, true},
		{"to a host that is none of the cluster", func(*url.URL) bool { return false }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, e, data := setUp(t, 3_000_000, quick())
			other := faultserver.New(t)
			other.PutObject("x", s.Object("x"))
			s.Moved = other.URL + "/403@2" // the third request is refused, as if a signature in the URL had expired
			o, err := New(e, signing(tt.signsFor)).Open(t.Context(), s.URL+"/elsewhere/x")
			check(t, err)
			for i, want := range []int{1, 2} { // requests for where the object is
				if err := o.(*Object).Fetch(t.Context(), make([]byte, 100), int64(2_000_000+i), nil); err != nil {
					t.Fatal(err)
				}
				if got := len(s.Requests("/elsewhere/x")); got != want {
					t.Errorf("%d requests for the redirect, want %d", got, want)
				}
			}
			contains(t, o, data)
			for _, r := range s.Requests("/elsewhere/x") {
				if r.Header.Get("Authorization") == "" {
					t.Error("the first host gets no credentials")
				}
			}
			for _, r := range other.Requests("/403@2/x") {
				got := r.Header.Get("Authorization") != ""
				if got != tt.signed || got != (r.Header.Get("X-Api") != "") {
					t.Errorf("the other host gets credentials: %v", r.Header)
				}
			}
		})
	}
}

// A redirect from https to http is not followed, and one from http to https is, without credentials.
func TestRedirectScheme(t *testing.T) {
	s, e, _ := setUp(t, 10, quick())
	secure := faultserver.NewTLS(t)
	secure.PutObject("x", s.Object("x"))
	e.transport.TLSClientConfig = secure.HTTP.Client().Transport.(*http.Transport).TLSClientConfig
	all := func(*url.URL) bool { return true }
	secure.Moved, s.Moved = s.URL+"/plain", secure.URL+"/plain"
	_, err := New(e, signing(all)).Open(t.Context(), secure.URL+"/elsewhere/x")
	wantError(t, err, store.ErrUnreachable, "from https to http")
	if n := len(s.Requests("/plain/x")); n != 0 {
		t.Errorf("%d requests by http", n)
	}
	_, err = New(e, signing(all)).Open(t.Context(), s.URL+"/elsewhere/x")
	check(t, err)
	for _, r := range secure.Requests("/plain/x") {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials for http are sent by https")
		}
	}
}

// The addresses of names are looked at when they are resolved, but not that of a proxy.
func TestLinkLocal(t *testing.T) {
	ctx, err := forRedirect(t.Context(), &url.URL{Scheme: "http", Host: "metadata.example:80"})
	check(t, err)
	for address, bad := range map[string]bool{
		"169.254.169.254:80": true, "[fe80::1%eth0]:80": true, "[::ffff:169.254.1.1]:80": true,
		"[fd00:ec2::254]:80": true, "[fd20:ce:0::254]:80": true, "100.100.100.200:80": true, "[fd00:ec2::1]:80": false,
		"127.0.0.1:80": false, "10.1.2.3:443": false, "[2001:db8::1]:443": false,
	} {
		if got := control(ctx, "tcp", address, nil) != nil; got != bad {
			t.Errorf("%s: refused %v", address, got)
		}
		if err := control(t.Context(), "tcp", address, nil); err != nil {
			t.Errorf("%s, without a redirect: %v", address, err)
		}
	}
	for _, host := range []string{"169.254.169.254", "[fd00:ec2::254]", "１６９.254.169.254", "169。254.169.254"} {
		if _, err := forRedirect(t.Context(), &url.URL{Scheme: "http", Host: host}); err == nil {
			t.Errorf("a redirect to %s is followed", host)
		}
	}
	for host, bad := range map[string]bool{"metadata.example": true, "proxy.example": false} {
		o := Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return nil, control(ctx, network, "169.254.1.1:80", nil)
		}}
		if _, err := o.dial(ctx, "tcp", host+":80"); (err != nil) != bad {
			t.Errorf("%s at a link-local address: %v", host, err)
		}
	}
}

// A service says from an answer that an object is in another region: there it is asked for from then on.
func TestMoved(t *testing.T) {
	s, e, data := setUp(t, 3_000_000, quick())
	service := plainService{func(p *Place) {
		p.Moved = func(status int, _ http.Header, body []byte) *Place {
			if status != http.StatusBadRequest || !strings.Contains(string(body), "Code400") {
				t.Errorf("asked about %d %s", status, body)
			}
			u := *p.URL
			u.Path = "/404@1/x"
			return &Place{URL: &u, Pin: etagPin}
		}
	}}
	o, err := New(e, service).Open(t.Context(), s.URL+"/400/x")
	check(t, err)
	contains(t, o, data) // the second request to the region is refused
	if a, b := len(s.Requests("/400/x")), len(s.Requests("/404@1/x")); a < 2 || b < 3 {
		t.Errorf("%d requests, %d to the region", a, b)
	}
}

// Credentials that have expired are renewed once, and so are those that a service calls expired by its own code.
func TestRenew(t *testing.T) {
	for _, tt := range []struct {
		fault   string
		is      error
		renewed int64
	}{
		{"401@1", nil, 1}, {"403@1", nil, 1}, {"400@1", nil, 1}, {"401@1-", fs.ErrPermission, 1},
		{"403", fs.ErrPermission, 1}, {"plain", nil, 0},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			s, e, data := setUp(t, 2_000_000, quick())
			var renewed, signed atomic.Int64
			service := plainService{func(p *Place) {
				p.Sign = func(_ context.Context, r *http.Request) error { signed.Add(1); return nil }
				p.Renew = func(_ context.Context, refused *http.Request) bool {
					renewed.Add(1)
					return refused.URL.Path == "/"+tt.fault+"/x"
				}
				p.Fault = func(status int, _ http.Header, body []byte) Fault {
					f := Fault{Code: strings.TrimSpace(string(body)), Hint: "renew them"}
					if status == http.StatusBadRequest {
						f.Err = fs.ErrPermission
					}
					return f
				}
			}}
			o, err := New(e, service).Open(t.Context(), s.URL+"/"+tt.fault+"/x")
			if err == nil {
				p := make([]byte, 1000)
				if err = o.(*Object).Fetch(t.Context(), p, 1_500_000, nil); err == nil {
					contains(t, o, data)
				}
			}
			wantError(t, err, tt.is, "(Code40")
			if n := int64(len(s.Requests("/" + tt.fault + "/x"))); renewed.Load() != tt.renewed || signed.Load() != n {
				t.Errorf("renewed %d times, signed %d of %d requests", renewed.Load(), signed.Load(), n)
			}
		})
	}
}

// Credentials that cannot be had are no permission, whatever the reason, and say nothing about the object: a file of them
// that is missing is no missing object, and a program that has failed no mistake of this one.
func TestNoCredentials(t *testing.T) {
	_, missing := os.ReadFile(filepath.Join(t.TempDir(), "none"))
	failed := exec.Command("/bin/sh", "-c", "exit 3").Run()
	for _, tt := range []struct {
		err     error
		is, not error
	}{
		{missing, fs.ErrPermission, fs.ErrNotExist},
		{fmt.Errorf("the process: %w", failed), fs.ErrPermission, failed},
		{io.ErrUnexpectedEOF, fs.ErrPermission, io.ErrUnexpectedEOF},
		{fmt.Errorf("the profile is %w", store.ErrName), store.ErrName, fs.ErrNotExist},
		{fmt.Errorf("login: %w", store.ErrUnreachable), store.ErrUnreachable, fs.ErrPermission},
	} {
		s, e, _ := setUp(t, 10, quick())
		service := plainService{func(p *Place) {
			p.Sign = func(context.Context, *http.Request) error { return tt.err }
		}}
		_, err := New(e, service).Open(t.Context(), s.URL+"/plain/x")
		wantError(t, err, tt.is, "credentials: "+tt.err.Error())
		if errors.Is(err, tt.not) {
			t.Errorf("%v: %v is %v", tt.err, err, tt.not)
		}
		if n := len(s.Requests("/plain/x")); n != 0 {
			t.Errorf("%v: %d requests", tt.err, n)
		}
	}
}

// Credentials with a line break are never sent, and are no reason to try again.
func TestLineBreakInCredentials(t *testing.T) {
	for _, value := range []string{"Bearer " + secret + "\n", secret + "\r\nX-Other: y", "\x00", "\x7f", ""} {
		s, e, _ := setUp(t, 10, quick())
		_, err := New(e, plainService{func(p *Place) {
			p.Sign = func(_ context.Context, r *http.Request) error {
				if r.Header["Authorization"] = []string{value}; value == "" {
					r.URL.RawQuery = "signature=" + secret + "\n"
				}
				return nil
			}
		}}).Open(t.Context(), s.URL+"/plain/x")
		wantError(t, err, fs.ErrPermission, "credentials: a line break")
		if n := e.Stats(); n.Requests+n.Retries != 0 {
			t.Errorf("%q: %+v", value, n)
		}
	}
}

// An answer that does not get better is not one to try again for later.
func TestHintOfFinalAnswers(t *testing.T) {
	for _, fault := range []string{"loop", "linklocal", "tofile", "501"} {
		s, e, _ := setUp(t, 10, quick())
		_, err := New(e, plainService{}).Open(t.Context(), s.URL+"/"+fault+"/x")
		wantError(t, err, store.ErrUnreachable, "")
		wantHint(t, err, "each time")
	}
}

// A refusal without a way to renew is final, and the hint is the service's.
func TestRefused(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer h.Close()
	e := NewEngine(quick())
	defer e.Close()
	_, _, err := e.Do(t.Context(), &Place{URL: mustParse(t, h.URL+"/x?key="+secret),
		Fault: func(int, http.Header, []byte) Fault {
			return Fault{Code: "Evil\x1b[31m\n" + strings.Repeat("x", 200)}
		}})
	wantError(t, err, fs.ErrPermission, "403 Forbidden (Evil?[31m?xxx")
	if len(err.Error()) > 200 {
		t.Errorf("a long error: %v", err)
	}
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	check(t, err)
	return u
}

// A host to which a redirect has led and which has never answered is tried for as short as one that the user has named.
func TestRedirectToNobody(t *testing.T) {
	opt := quick()
	opt.Budget = time.Hour
	s, e, _ := setUp(t, 10, opt)
	nobody := httptest.NewServer(nil)
	nobody.Close()
	s.Moved = nobody.URL
	_, err := New(e, plainService{}).Open(t.Context(), s.URL+"/elsewhere/x")
	wantError(t, err, store.ErrUnreachable, "connection refused")
}
