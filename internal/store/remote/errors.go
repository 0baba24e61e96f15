package remote

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// again says whether another try may help.
type again int

const (
	often again = iota // until the budget is used up
	once               // a wrong answer: on another connection perhaps
	never
)

// failure is the error of one try. Its text has the host and what the service says, and no other part of a name.
type failure struct {
	host  string
	text  string
	kind  error // store.ErrUnreachable, fs.ErrNotExist, ...
	again again
	after time.Duration // at least how long to wait before the next try
	place *Place        // that was asked
	asked *http.Request // as it was sent; nil if it was not
	local bool          // the host has not answered
	doubt bool          // see Fault.Unsure
	hint  string
}

func (f *failure) Error() string {
	if f.host == "" {
		return f.text
	}
	return f.host + ": " + f.text
}

func (f *failure) Unwrap() error { return f.kind }

// Hint returns what the user can do.
func (f *failure) Hint() string {
	if f.hint == "" && f.again == never && !f.local && errors.Is(f.kind, store.ErrUnreachable) {
		return "the server answers so each time: is it the right name?"
	}
	return f.hint
}

// triedError is the error of the last of several tries.
type triedError struct {
	*failure
	tries int
	took  time.Duration
}

func (e *triedError) Unwrap() error { return e.failure }

func (e *triedError) Error() string {
	return fmt.Sprintf("%v (%d tries in %v)", e.failure, e.tries, e.took.Round(100*time.Millisecond))
}

// noRanges is the failure of a server that answers with the whole object.
func noRanges(host, text string) *failure {
	return &failure{host: host, text: text, kind: errors.ErrUnsupported, again: never,
		hint: "curl -fsS URL | shardfs run - ... (or pack -, check -) reads it in order"}
}

// wrong is the failure of an answer that is not what was asked for.
func wrong(a *answer, format string, args ...any) *failure {
	return &failure{host: a.host.name, text: fmt.Sprintf(format, args...), kind: store.ErrUnreachable, again: once,
		place: a.hop.place}
}

// changedError is the ErrChanged of an object in use.
type changedError struct{ text string }

func (e *changedError) Error() string { return e.text }

func (e *changedError) Unwrap() error { return store.ErrChanged }

// errPinned is the kind of a failure to get the pinned version: there is another one, or none, or the service does not
// understand the condition.
var errPinned = errors.New("the version that was opened is not there")

// plain returns a text of a server for messages: a few printable characters of ASCII.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(text) > 80 {
		text = text[:77] + "..."
	}
	return text
}

// retryAfter returns how long a server wants us to wait, at most a day: sums of such times do not overflow.
func retryAfter(header http.Header, now time.Time) time.Duration {
	const most = 24 * time.Hour
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, most)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), most)
	}
	return 0
}
