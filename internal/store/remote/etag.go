package remote

import (
	"net/http"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
)

// ETagPin is the [Place.Pin] of servers that tell versions as HTTP has it (RFC 9110): by a strong ETag, for which If-Match
// asks. Without one, the time is as much as the server tells, or a weak ETag if it does not tell that; a server that knows
// If-Unmodified-Since refuses what was modified later.
func ETagPin(answer http.Header) Pin {
	var p Pin
	date := answer.Get("Last-Modified")
	when, err := http.ParseTime(date)
	if err == nil {
		p.ModTime = when
	}
	tag := answer.Get("ETag")
	switch {
	case strings.Trim(tag, `"`) != "" && !strings.HasPrefix(tag, "W/"):
		p.Version, p.Strong = store.Version(tag), true
		p.Header = http.Header{"If-Match": {tag}}
	case err == nil:
		p.Header = http.Header{"If-Unmodified-Since": {date}}
	default:
		p.Version = store.Version(tag)
	}
	return p
}
