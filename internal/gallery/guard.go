package gallery

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/ui"
)

// Limits of tokens, in characters.
const (
	leastToken = 16
	mostToken  = 256
)

// NewToken returns a random token of 144 bits.
func NewToken() string {
	var b [18]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// CheckToken returns a usage error for a token that is short, or would not stay as it is in a URL.
func CheckToken(token string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	switch {
	case len(token) < leastToken || len(token) > mostToken:
		return ui.Usagef("--token: %d characters: %d to %d are needed", len(token), leastToken, mostToken)
	case strings.Trim(token, letters) != "":
		return ui.Usagef("--token: only letters, digits, - and _ can be in it")
	}
	return nil
}

// guard decides which requests are answered.
type guard struct {
	token string
	hosts []string // names of this host besides its addresses, in lower case

	ticket atomic.Pointer[string] // of Ticket, until it is used
}

// check returns the path below the token of a request that is to be answered, and 0; else the status of the refusal.
func (g *guard) check(r *http.Request) (path string, status int) {
	if !g.isHost(r) {
		return "", http.StatusMisdirectedRequest
	}
	token, path, below := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !same(token, g.token) {
		if ticket := g.ticket.Load(); ticket != nil && same(token, *ticket) && g.ticket.CompareAndSwap(ticket, nil) {
			return "", http.StatusSeeOther
		}
		return "", http.StatusNotFound
	}
	switch {
	case !isOwn(r, path == ""):
		return "", http.StatusForbidden
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return "", http.StatusMethodNotAllowed
	case r.ContentLength != 0:
		return "", http.StatusRequestEntityTooLarge
	case !below:
		return "", http.StatusPermanentRedirect
	}
	return path, 0
}

// same compares secrets. Its time tells nothing but their lengths.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// isHost reports whether a request names this host: the address that it has come to, a loopback address, or one of the
// known names. Its port may be another one, as that of a forwarded connection is.
func (g *guard) isHost(r *http.Request) bool {
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(name)
	if ip == nil {
		for _, host := range g.hosts {
			if name == host {
				return true
			}
		}
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.Equal(ip)
}

// isOwn reports whether a request comes from the page, from the user, who has typed or clicked the address of the page
// itself, or from a program. Page means that this is what is asked for.
func isOwn(r *http.Request, page bool) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || !strings.EqualFold(u.Host, r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return page && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// Policies for the content of pages.
const (
	// pagePolicy is that of the page, whose files are all below the token.
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// dataPolicy is that of all else: nothing in it may run, or load anything.
	dataPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
	// mediaPolicy lets a browser show a picture, or play a video, that was opened on its own.
	mediaPolicy = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'; sandbox"
)

// protect sets the headers that all answers have.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", dataPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer") // the token is in the address
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// refuse answers a request that is not to be answered.
func (g *guard) refuse(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusPermanentRedirect, http.StatusSeeOther:
		w.Header().Set("Location", "/"+g.token+"/")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
	}
	sayError(w, status, fmt.Sprintf("%s: the address that shardfs view has printed is the way in",
		strings.ToLower(http.StatusText(status))))
}
