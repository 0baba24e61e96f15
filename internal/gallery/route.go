package gallery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// answerTime is how long a client may take for an answer, or for the next piece of a long one.
const answerTime = time.Minute

// requestError is an error that the request itself is the cause of.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

// errNotFound means that nothing has that path.
var errNotFound = &requestError{http.StatusNotFound, "nothing is here"}

// badRequest returns an error about a parameter.
func badRequest(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// route answers a request for a path below the token.
func (g *Gallery) route(w http.ResponseWriter, r *http.Request, path string) error {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime))
	if path == "" {
		g.set.renew() // the page is loaded
	}
	names := strings.Split(path, "/")
	switch {
	case len(names) == 2 && names[0] == "api":
		return g.api(w, r, names[1])
	case len(names) == 3:
		n, m := number(names[1]), number(names[2])
		switch {
		case names[0] == "api" && names[1] == "sample" && m >= 0:
			return g.sample(w, r, m)
		case n >= 0 && m >= 0:
			return g.member(w, r, names[0], n, m)
		}
	}
	return g.page.serve(w, r, path)
}

// api answers a request for JSON.
func (g *Gallery) api(w http.ResponseWriter, r *http.Request, name string) error {
	switch name {
	case "set":
		return g.describe(w, r)
	case "samples":
		return g.samples(w, r)
	case "filter":
		return g.filter(w, r)
	case "keys":
		return g.keys(w, r)
	case "facets":
		return g.facets(w, r)
	case "statistics":
		return g.statistics(w, r)
	}
	return errNotFound
}

// member answers a request for a member.
func (g *Gallery) member(w http.ResponseWriter, r *http.Request, what string, n, m int) error {
	switch what {
	case "raw":
		return g.raw(w, r, n, m)
	case "thumb":
		return g.thumb(w, r, n, m)
	case "hex":
		return g.hex(w, r, n, m)
	case "text":
		return g.text(w, r, n, m)
	case "array":
		return g.array(w, r, n, m)
	}
	return errNotFound
}

// number returns a number in a path or a parameter; -1 if it is none.
func number(text string) int {
	if text == "" || len(text) > 1 && text[0] == '0' || strings.Trim(text, "0123456789") != "" {
		return -1
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// parameter returns a number of the query, at most most; missing if it is not there.
func parameter(r *http.Request, name string, missing, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return missing, nil
	}
	n := number(text)
	if n < 0 || n > most {
		return 0, badRequest("%s: a number from 0 to %d is needed", name, most)
	}
	return n, nil
}

// answer answers with JSON.
func answer(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	send(w, r, "application/json", append(body, '\n'))
	return nil
}

// send answers with bytes.
func send(w http.ResponseWriter, r *http.Request, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// sayError answers with an error.
func sayError(w http.ResponseWriter, status int, text string) {
	body, _ := json.Marshal(struct {
		Error string `json:"error"`
	}{text}) // a string
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// answerError answers with an error, unless the client has gone or the answer has begun.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return
	}
	h := w.Header()
	protect(h)
	for _, name := range []string{"Content-Disposition", "Content-Length", "Content-Encoding", "Etag"} {
		h.Del(name)
	}
	sayError(w, statusOf(err), ui.Printable(store.RedactText(err.Error())))
}

// statusOf returns the status for an error.
func statusOf(err error) int {
	var request *requestError
	switch {
	case errors.As(err, &request):
		return request.status
	case errors.Is(err, store.ErrChanged), errors.Is(err, index.ErrStale):
		return http.StatusConflict
	case errors.Is(err, fs.ErrNotExist):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, store.ErrUnreachable):
		return http.StatusBadGateway
	case errors.Is(err, index.ErrDamaged), errors.Is(err, codec.ErrDamaged), errors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}
