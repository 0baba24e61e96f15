package remote

import (
	"net/url"
	"strings"
)

// EscapePath returns a path of a URL in which every byte but letters, digits, -._~ and / is written as %XX. It cleans
// nothing: // and .. are parts of keys.
func EscapePath(path string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(path))
}
