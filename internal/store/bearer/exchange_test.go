package bearer

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
)

// roundTrip is a server without a network.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server that never ends its answer does not fill the memory.
func TestLongAnswer(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusForbidden} {
		closed := false
		e := NewExchange(roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: endless{&closed}}, nil
		}))
		answer, err := e.Client().Get("https://login.example/token")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if len(body) > 1<<20 || err != nil || answer.Body.Close() != nil || !closed {
			t.Errorf("%d: %d bytes, %v, closed: %t", status, len(body), err, closed)
		}
	}
}

// endless is a body without an end.
type endless struct{ closed *bool }

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func (e endless) Close() error {
	*e.closed = true
	return nil
}

// What an error means is told by the last answer, whatever the library makes of it. Nothing else of the answer is shown.
func TestExplain(t *testing.T) {
	library := errors.New("cannot fetch token")
	for _, tt := range []struct {
		status int // 0 for no answer
		body   string
		kind   error
		text   string
	}{
		{0, "", store.ErrUnreachable, "login.example: the store cannot be reached: no answer"},
		{503, "busy", store.ErrUnreachable, "login.example: the store cannot be reached: 503 Service Unavailable"},
		{429, "", store.ErrUnreachable, "login.example: the store cannot be reached: 429 Too Many Requests"},
		{400, `{"error":"invalid_grant","error_description":"secret"}`, fs.ErrPermission,
			"login.example: permission denied: 400 Bad Request (invalid_grant)"},
		{400, `{"error":"secret=x\nshardfs: "}`, fs.ErrPermission, "login.example: permission denied: 400 Bad Request"},
		{401, "secret", fs.ErrPermission, "login.example: permission denied: 401 Unauthorized"},
		{200, "", fs.ErrPermission, "permission denied: cannot fetch token"},
	} {
		e := NewExchange(roundTrip(func(*http.Request) (*http.Response, error) {
			if tt.status == 0 {
				return nil, errors.New("refused")
			}
			return &http.Response{StatusCode: tt.status, Body: io.NopCloser(strings.NewReader(tt.body))}, nil
		}))
		answer, err := e.Client().Get("https://login.example/token")
		if (err != nil) != (tt.status == 0) {
			t.Fatalf("%d: %v", tt.status, err)
		}
		if err == nil {
			if body, err := io.ReadAll(answer.Body); string(body) != tt.body || err != nil {
				t.Errorf("%d: the library reads %q, %v", tt.status, body, err)
			}
		}
		if err := e.Explain(library); !errors.Is(err, tt.kind) || err.Error() != tt.text {
			t.Errorf("%d: %v, want %s", tt.status, err, tt.text)
		}
	}
	never := NewExchange(http.DefaultTransport)
	for _, tt := range []struct {
		err, kind error
		text      string
	}{
		{errors.New("failed\nRESPONSE: secret"), fs.ErrPermission, "permission denied: failed"},
		{&fs.PathError{Op: "open", Path: "/x", Err: syscall.ENOENT}, fs.ErrPermission,
			"permission denied: open /x: no such file or directory"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, store.ErrUnreachable,
			"the store cannot be reached: dial: refused"},
	} {
		if err := never.Explain(tt.err); !errors.Is(err, tt.kind) || err.Error() != tt.text {
			t.Errorf("without a request: %v, want %s", err, tt.text)
		}
	}
}
