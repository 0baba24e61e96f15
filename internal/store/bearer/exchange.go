package bearer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

const (
	perTry   = 30 * time.Second // for a request
	maxFault = 64 << 10         // bytes of the body of an error that are looked at
	maxToken = 1 << 20          // bytes of the body of any other answer that a library gets
)

// Exchange is the client by which a library fetches a token. It remembers how the last request went, because the errors of
// the libraries often do not tell, or contain the whole answer, with what is secret in it.
type Exchange struct {
	base http.RoundTripper

	mu   sync.Mutex // guards all below
	host string     // of the last request; "" if there was none
	err  error      // what became of it, with its meaning; nil if it succeeded
}

// NewExchange returns a client that sends requests by base.
func NewExchange(base http.RoundTripper) *Exchange { return &Exchange{base: base} }

// Client returns the client for a library.
func (e *Exchange) Client() *http.Client { return &http.Client{Transport: e, Timeout: perTry} }

// RoundTrip implements [http.RoundTripper].
func (e *Exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := e.base.RoundTrip(r)
	outcome := fmt.Errorf("%w: no answer", store.ErrUnreachable)
	if err == nil {
		outcome, err = meaning(answer)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.host, e.err = r.URL.Hostname(), outcome
	return answer, err
}

// meaning returns what an answer means, and keeps the beginning of its body readable.
func meaning(answer *http.Response) (outcome, err error) {
	if answer.StatusCode < 400 {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxToken), answer.Body}
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxFault))
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	kind := fs.ErrPermission
	if answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests {
		kind = store.ErrUnreachable
	}
	text := fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	var fault struct {
		Code string `json:"error"` // as OAuth has it
	}
	if json.Unmarshal(body, &fault) == nil && isWord(fault.Code) {
		text += " (" + fault.Code + ")"
	}
	return fmt.Errorf("%w: %s", kind, text), err
}

// isWord reports whether a code is one that may be shown.
func isWord(code string) bool {
	return code != "" && len(code) <= 40 && strings.Trim(strings.ToLower(code), "abcdefghijklmnopqrstuvwxyz_-") == ""
}

// Explain returns what an error of the library means: store.ErrUnreachable if another try may help, else fs.ErrPermission.
func (e *Exchange) Explain(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return fmt.Errorf("%s: %w", e.host, e.err)
	}
	kind := fs.ErrPermission
	var network *net.OpError
	if errors.As(err, &network) {
		kind = store.ErrUnreachable
	}
	text, _, _ := strings.Cut(err.Error(), "\n") // the rest may be an answer
	return fmt.Errorf("%w: %s", kind, text[:min(len(text), 200)])
}
