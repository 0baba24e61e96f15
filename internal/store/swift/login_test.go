package swift

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
)

// identity is a service that gives out tokens by version 1, 2 and 3 of the protocol. It keeps what it was asked last.
type identity struct {
	*httptest.Server
	asked  atomic.Pointer[string]
	logins atomic.Int64
	fails  atomic.Int64 // how many requests are answered with 503
	life   time.Duration
}

func newIdentity(t *testing.T) *identity {
	s := &identity{life: time.Hour}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *identity) serve(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	json.NewDecoder(r.Body).Decode(&body)
	text, _ := json.Marshal(body["auth"])
	asked := r.URL.Path + " " + string(text)
	s.asked.Store(&asked)
	if s.fails.Add(-1) >= 0 {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	if strings.Contains(asked, "wrong") || r.Header.Get("X-Auth-Key") == "wrong" {
		http.Error(w, "the secret wrong is wrong", http.StatusUnauthorized)
		return
	}
	token := fmt.Sprint("token-", s.logins.Add(1))
	expires := time.Now().Add(s.life).UTC().Format(time.RFC3339)
	switch r.URL.Path {
	case "/auth/v1.0":
		asked += r.Header.Get("X-Auth-User") + ":" + r.Header.Get("X-Auth-Key")
		w.Header().Set("X-Storage-Url", s.URL+"/v1/one/")
		w.Header().Set("X-Auth-Token", token)
	case "/v2.0/tokens":
		fmt.Fprintf(w, `{"access": {"token": {"id": %q, "expires": %q}, "serviceCatalog": [{"type": "object-store",
			"endpoints": [{"region": "R", "publicURL": %q}]}]}}`, token, expires, s.URL+"/v1/two")
	case "/v3/auth/tokens", "/identity/v3/auth/tokens":
		w.Header().Set("X-Subject-Token", token)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token": {"expires_at": %q, "catalog": [{"type": "object-store", "endpoints": [
			{"interface": "public", "region": "R", "url": %q},
			{"interface": "internal", "region": "R", "url": %q}]}]}}`,
			expires, s.URL+"/v1/three", s.URL+"/v1/inside")
	default:
		http.NotFound(w, r)
	}
}

func TestLogin(t *testing.T) {
	s := newIdentity(t)
	const password = "OS_USERNAME=u OS_PASSWORD=p"
	for _, tt := range []struct{ env, url, asked string }{
		{"ST_AUTH=URL/auth/v1.0 ST_USER=a:u ST_KEY=k", "/v1/one", `/auth/v1.0 nulla:u:k`},
		{"ST_AUTH=URL/auth/v1.0 ST_USER=a:u ST_KEY=k OS_STORAGE_URL=URL/v1/other", "/v1/other", `/auth/v1.0 nulla:u:k`},
		{"OS_AUTH_URL=URL/v2.0 OS_TENANT_NAME=t " + password, "/v1/two",
			`/v2.0/tokens {"passwordCredentials":{"password":"p","username":"u"},"tenantName":"t"}`},
		{"OS_AUTH_URL=URL/v3 OS_PROJECT_NAME=t OS_USER_DOMAIN_NAME=d " + password, "/v1/three",
			`/v3/auth/tokens {"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"d"},` +
				`"name":"u","password":"p"}}},"scope":{"project":{"domain":{"name":"d"},"name":"t"}}}`},
		{"OS_AUTH_URL=URL OS_PROJECT_ID=id OS_USER_DOMAIN_ID=d OS_INTERFACE=internal " + password, "/v1/inside",
			`/v3/auth/tokens {"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"d"},"name":"u",` +
				`"password":"p"}}},"scope":{"project":{"id":"id"}}}`},
		{"OS_AUTH_URL=URL/identity OS_ENDPOINT_TYPE=internalURL OS_REGION_NAME=R OS_PROJECT_ID=id " + password,
			"/v1/inside",
			`/identity/v3/auth/tokens {"identity":{"methods":["password"],"password":{"user":{"name":"u",` +
				`"password":"p"}}},"scope":{"project":{"id":"id"}}}`},
		{"OS_AUTH_URL=URL/v3 OS_APPLICATION_CREDENTIAL_ID=i OS_APPLICATION_CREDENTIAL_SECRET=s", "/v1/three",
			`/v3/auth/tokens {"identity":{"application_credential":{"id":"i","secret":"s","user":{}},` +
				`"methods":["application_credential"]}}`},
		{"OS_AUTH_URL=URL/v3 OS_TOKEN=t0 OS_PROJECT_ID=id", "/v1/three",
			`/v3/auth/tokens {"identity":{"methods":["token"],"token":{"id":"t0"}},"scope":{"project":{"id":"id"}}}`},
		{"OS_STORAGE_URL=URL/v1/static/ OS_AUTH_TOKEN=t0", "/v1/static", ""},
		{"OS_STORAGE_URL=URL/v1/open", "/v1/open", ""},
	} {
		s.asked.Store(new(string))
		l := newLogin(storetest.Getenv(strings.Fields(strings.ReplaceAll(tt.env, "URL/", s.URL+"/"))...))
		if !strings.Contains(tt.env, "URL/") {
			l = newLogin(storetest.Getenv(strings.Fields(strings.Replace(tt.env, "=URL", "="+s.URL, 1))...))
		}
		got, err := l.tokens.Get(t.Context())
		if err != nil {
			t.Errorf("%s: %v", tt.env, err)
			continue
		}
		if got.Store != s.URL+tt.url || *s.asked.Load() != tt.asked {
			t.Errorf("%s: %s, asked %s, want %s", tt.env, got.Store, *s.asked.Load(), tt.asked)
		}
	}
}

func TestLoginFails(t *testing.T) {
	s := newIdentity(t)
	for _, tt := range []struct {
		env  string
		want error
		text string // in the hint, if there is one
	}{
		{"", fs.ErrPermission, "set OS_AUTH_URL"},
		{"OS_CLOUD=c", fs.ErrPermission, "clouds.yaml is not read"},
		{"OS_AUTH_URL=URL/v3 OS_USERNAME=u OS_PASSWORD=wrong", fs.ErrPermission, "which user, secret,"},
		{"ST_AUTH=URL/auth/v1.0 ST_USER=a:u ST_KEY=wrong", fs.ErrPermission, "which user, secret,"},
		{"OS_AUTH_URL=URL OS_IDENTITY_API_VERSION=4", store.ErrName, ""},
		{"OS_AUTH_URL=http://127.0.0.1:1/secret/v3 OS_USERNAME=u OS_PASSWORD=p", store.ErrUnreachable, ""},
		{"OS_AUTH_URL=URL/secret/v3 OS_USERNAME=u OS_PASSWORD=p", fs.ErrPermission, "is OS_AUTH_URL,"},
	} {
		l := newLogin(storetest.Getenv(strings.Fields(strings.ReplaceAll(tt.env, "URL/", s.URL+"/"))...))
		l.pause = time.Millisecond
		_, err := l.tokens.Get(t.Context())
		hint := ""
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			hint = hinted.Hint()
		}
		if !errors.Is(err, tt.want) || !strings.HasPrefix(hint, tt.text) ||
			strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, hint %q", tt.env, err, hint)
		}
	}
}

// A token from the environment that is refused is told with what to do, as there is no login that could replace it.
func TestGivenTokenRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get(header), http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	service := New(storetest.Getenv("OS_STORAGE_URL="+s.URL+"/v1/a", "OS_AUTH_TOKEN=old"))
	_, err := remote.New(remotetest.Quick(t, time.Minute, 30*time.Second), service).Open(t.Context(), "swift://c/a")
	var hinted interface{ Hint() string }
	if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &hinted) ||
		!strings.Contains(hinted.Hint(), "OS_AUTH_TOKEN") || strings.Contains(err.Error(), "old") {
		t.Errorf("%v", err)
	}
}

// A token is shared, fetched again after it was refused, and by one caller at a time.
func TestTokens(t *testing.T) {
	s := newIdentity(t)
	l := newLogin(storetest.Getenv("OS_AUTH_URL="+s.URL+"/v3", "OS_USERNAME=u", "OS_PASSWORD=p"))
	l.pause = time.Millisecond
	sign := func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		if err := l.sign(t.Context(), r); err != nil {
			t.Error(err)
		}
		return r
	}
	s.fails.Store(2)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { sign() })
	}
	all.Wait()
	if n := s.logins.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
	refused := sign()
	for range 2 { // two requests with the same token are refused
		if !l.renew(t.Context(), refused) {
			t.Error("a login cannot be renewed")
		}
		if got := sign().Header.Get(header); got != "token-2" {
			t.Errorf("after a refusal: %s", got)
		}
	}

	l.renew(t.Context(), sign())
	s.fails.Store(tries)
	if err := l.sign(t.Context(), refused); !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("a service that does not answer: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	end := errors.New("end")
	cancel(end)
	if _, err := l.tokens.Get(ctx); !errors.Is(err, end) {
		t.Errorf("an ended context: %v", err)
	}

	static := newLogin(storetest.Getenv("OS_STORAGE_URL="+s.URL, "OS_AUTH_TOKEN=t"))
	if err := static.sign(t.Context(), refused); err != nil || refused.Header.Get(header) != "t" {
		t.Errorf("a given token: %q, %v", refused.Header.Get(header), err)
	}
	if static.renew(t.Context(), refused) {
		t.Error("a given token is renewed")
	}
}
