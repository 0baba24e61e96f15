package gs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// cloud is a double of Google's server of tokens and of a bucket.
type cloud struct {
	*httptest.Server
	data   []byte
	tokens storetest.Tokens
	rest   http.Handler // all other requests with a good token

	mu     sync.Mutex // guards all below
	busy   int        // how many requests for tokens are answered by 503
	refuse bool
	payers map[string]int
	scopes []string // of tokens
}

func newCloud(t *testing.T, data []byte) *cloud {
	c := &cloud{data: data, payers: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", c.token)
	mux.HandleFunc("GET /storage/v1/b/bucket/o/a", c.tokens.Guard(c.object, refuse))
	mux.HandleFunc("/", c.tokens.Guard(func(w http.ResponseWriter, r *http.Request) { c.rest.ServeHTTP(w, r) }, refuse))
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *cloud) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || c.refuse:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"secret"}`)
	case c.busy > 0:
		c.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		c.scopes = append(c.scopes, scope(r.FormValue("assertion")))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, c.tokens.Next())
	}
}

// scope returns the last word of the scope that a JSON web token asks for.
func scope(assertion string) string {
	var claims struct{ Scope string }
	if parts := strings.Split(assertion, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		json.Unmarshal(text, &claims)
	}
	return claims.Scope[strings.LastIndex(claims.Scope, ".")+1:]
}

func (c *cloud) object(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.payers[r.Header.Get("X-Goog-User-Project")]++
	c.mu.Unlock()
	w.Header().Set("X-Goog-Generation", "1")
	w.Header().Set("X-Goog-Stored-Content-Encoding", "identity")
	http.ServeContent(w, r, "a", time.Unix(1_700_000_000, 0), bytes.NewReader(c.data))
}

// refuse answers a request without a good token.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"error":{"code":401,"message":"Invalid Credentials","errors":[{"reason":"authError"}]}}`)
}

// credentials writes a file of credentials whose tokens are from the double, for the library to find.
func (c *cloud) credentials(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"type": "service_account",
		"client_email": "test@example.iam.gserviceaccount.com",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": c.URL +
			"/token",
		"quota_project_id": "payer"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
}

func (c *cloud) env() []string { return []string{"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=" + c.URL} }

// A token that expires while an object is read is fetched anew, once for all readers, although the server of tokens is
// busy for a while.
func TestTokensExpire(t *testing.T) {
	c := newCloud(t, storetest.Noise(storetest.Guarded, 1))
	c.credentials(t)
	o, err := open(t, c.env()).Open(t.Context(), "gs://bucket/a")
	storetest.Check(t, err)
	defer o.Close()
	c.mu.Lock()
	c.busy = 2
	c.mu.Unlock()
	c.tokens.Renewed(t, o, c.data)
	if c.payers["payer"] == 0 || len(c.payers) != 1 {
		t.Errorf("paid by %v", c.payers)
	}
	if slices.ContainsFunc(c.scopes, func(s string) bool { return s != "read_only" }) {
		t.Errorf("who reads asks for tokens that allow %q", c.scopes)
	}
}

// A token that expires while an object is written is fetched anew, and what was refused is sent again.
func TestTokensExpireInUpload(t *testing.T) {
	b := &buckets{GCS: servers.FakeGCS(t)}
	to, err := url.Parse(b.URL)
	storetest.Check(t, err)
	c := newCloud(t, nil)
	c.credentials(t)
	c.rest = httputil.NewSingleHostReverseProxy(to)
	st := open(t, c.env())
	for _, size := range []int{1000, 40 << 20} {
		h := b.place(t, st)
		data := storetest.Noise(size, 1)
		w, err := st.Create(t.Context(), h.Prefix+"a", store.Options{})
		storetest.Check(t, err)
		given := c.tokens.Given()
		for i := range 4 {
			c.tokens.Expire()
			_, err := w.Write(data[size/4*i : size/4*(i+1)])
			storetest.Check(t, err)
		}
		storetest.Check(t, w.Commit(t.Context()))
		o, err := open(t, b.Env()).Open(t.Context(), h.Prefix+"a")
		storetest.Check(t, err)
		got, err := storetest.Read(t, o, 0)
		if err != nil || !bytes.Equal(got, data) || c.tokens.Given() == given {
			t.Errorf("%d bytes of %d, %d tokens and %d before: %v", len(got), size, c.tokens.Given(), given, err)
		}
		storetest.Check(t, o.Close())
	}
	for _, want := range []string{"read_only", "read_write"} {
		if !slices.Contains(c.scopes, want) {
			t.Errorf("who writes asks for tokens that allow %q", c.scopes)
		}
	}
}

// What is wrong with credentials is said without what is secret in them.
func TestBadCredentials(t *testing.T) {
	c := newCloud(t, storetest.Noise(1000, 1))
	c.credentials(t)
	c.refuse = true
	_, err := open(t, c.env()).Open(t.Context(), "gs://bucket/a")
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "invalid_grant") ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("a refused account: %v", err)
	}
	for _, text := range []string{"secret", `{"type":"service_account","private_key":"secret"}`,
		`{"type":"other","x":"secret"}`} {
		file := filepath.Join(t.TempDir(), "credentials.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		_, err := open(t, c.env()).Open(t.Context(), "gs://bucket/a")
		if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none")
	if _, err := open(t, c.env()).Open(t.Context(), "gs://bucket/a"); !errors.Is(err, fs.ErrPermission) ||
		!strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("no file: %v", err)
	}
}

// Without credentials, requests are anonymous.
func TestAnonymous(t *testing.T) {
	c := newCloud(t, storetest.Noise(1000, 1))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	for _, more := range []string{"", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true", "GS_NO_SIGN_REQUEST=YES",
		"GOOGLE_SKIP_SIGNATURE=1"} {
		begin := time.Now()
		_, err := open(t, append(c.env(), more)).Open(t.Context(), "gs://bucket/a")
		var hinted interface{ Hint() string }
		if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(),
			"anonymous") {
			t.Errorf("%s: %v", more, err)
		}
		t.Logf("%q: %v", more, time.Since(begin))
	}
	// A token of the user's own.
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(c.tokens.Next()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := open(t, append(c.env(), "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="+file)).Open(t.Context(), "gs://bucket/a")
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
}

// A request whose context ends does not wait for a token.
func TestTokenWait(t *testing.T) {
	c := newCloud(t, storetest.Noise(1000, 1))
	c.credentials(t)
	c.mu.Lock() // the server of tokens waits
	defer c.mu.Unlock()
	end := errors.New("end")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, end)
	defer cancel()
	if _, err := open(t, c.env()).Open(ctx, "gs://bucket/a"); !errors.Is(err, end) {
		t.Errorf("%v", err)
	}
}
