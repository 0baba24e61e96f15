package remote

import (
	"net/url"
	"strings"
)

// ParseEndpoint returns the URL below which a store is, as a setting or a server names it, or false if it is none of http
// or https. One with a user, a password or a query is none: they would be dropped.
func ParseEndpoint(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == ""
	return u, ok
}

// EscapePath returns a path of a URL in which every byte but letters, digits, -._~ and / is written as %XX. It cleans
// nothing: // and .. are parts of keys.
func EscapePath(path string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(path))
}
