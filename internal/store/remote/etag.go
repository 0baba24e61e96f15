package remote

import (
	"net/http"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
)

// ETagPin is the [Place.Pin] of servers that tell versions as HTTP has it (RFC 9110): by a strong ETag, for which If-Match
// asks. Without one, the time is as much as the server tells, or a weak ETag if it does not tell that. It sets no
// If-Unmodified-Since: a server that keeps times in parts of a second may refuse the very time that it has told.
func ETagPin(answer http.Header) Pin {
	var p Pin
	when, err := http.ParseTime(answer.Get("Last-Modified"))
	if err == nil {
		p.ModTime = when
	}
	tag := answer.Get("ETag")
	switch {
	case strings.Trim(tag, `"`) != "" && !strings.HasPrefix(tag, "W/"):
		p.Version, p.Strong = store.Version(tag), true
		p.Header = http.Header{"If-Match": {tag}}
	case err != nil:
		p.Version = store.Version(tag)
	}
	return p
}
