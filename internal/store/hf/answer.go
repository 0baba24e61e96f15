package hf

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// digestOf returns the digest of a file's content from an answer of the Hub about it, or "". It is the SHA-256 of a file
// in large file storage, the SHA-1 of the git object else, and the Xet hash in a bucket.
func digestOf(h http.Header) string {
	for _, name := range []string{"X-Linked-Etag", "X-Xet-Hash", "Etag"} {
		if tag := strings.Trim(strings.TrimPrefix(h.Get(name), "W/"), `"`); tag != "" {
			return tag
		}
	}
	return ""
}

// pin returns the version of an answer. The digest, if it is known from the redirect that led to it, is the version.
func pin(h http.Header, digest string) remote.Pin {
	if digest == "" {
		digest = digestOf(h)
	}
	p := remote.Pin{Version: store.Version(digest), Strong: digest != ""}
	p.ModTime, _ = http.ParseTime(h.Get("Last-Modified"))
	return p
}

// moved returns where a redirect of the Hub from u leads: to another path of the Hub, for a file in git or a renamed
// repository, or to a signed URL of another host.
func (s *Service) moved(p place, u *url.URL, digest string, status int, h http.Header) *remote.Place {
	if status < 300 || status > 399 {
		return nil
	}
	to, err := u.Parse(h.Get("Location"))
	if err != nil || h.Get("Location") == "" {
		return nil
	}
	if linked := h.Get("X-Linked-Etag"); linked != "" || h.Get("X-Xet-Hash") != "" {
		digest = digestOf(http.Header{"X-Linked-Etag": {linked}, "X-Xet-Hash": h["X-Xet-Hash"]})
	}
	if to.Host == u.Host && to.Scheme == u.Scheme {
		return s.place(p, to, digest)
	}
	size, _ := strconv.ParseInt(h.Get("X-Linked-Size"), 10, 64)
	return &remote.Place{
		URL:  to,
		Size: max(0, size),
		Pin:  func(h http.Header) remote.Pin { return pin(h, digest) },

		// The URL may have expired on the way. Another try asks the Hub for a new one.
		Renew: func(context.Context, *http.Request) bool { return true },
	}
}

// rateLimit matches the header of the number of requests that are left, and the seconds until there are more.
const rateLimit = `;\s*r\s*=\s*0\s*;\s*t\s*=\s*([0-9]{1,5})`

// Errors that a listing has to tell from a directory that is not there.
var (
	errNoRepo     = fmt.Errorf("no such repository, or a private one: %w", fs.ErrNotExist)
	errNoRevision = fmt.Errorf("no such revision: %w", fs.ErrNotExist)
)

// fault explains an answer that is an error by the header X-Error-Code. Token says whether the request had one.
func (p place) fault(token bool, status int, h http.Header) remote.Fault {
	f := remote.Fault{Code: h.Get("X-Error-Code")}
	message := h.Get("X-Error-Message")
	switch {
	case f.Code == "RevisionNotFound":
		f.Err = errNoRevision
		f.Hint = fmt.Sprintf("%s has no revision %s; a slash in a revision is written %%2F", p.site(), p.revision)
	case f.Code == "EntryNotFound":
		f.Err = fs.ErrNotExist
	case f.Code == "GatedRepo":
		f.Err = fs.ErrPermission
		f.Hint = "ask for access to " + p.site() + " on its page on the Hub, and set HF_TOKEN or use hf auth login"
	case message == "Access to this resource is disabled.":
		f.Code, f.Err = "disabled by the Hub", fs.ErrPermission
	case message == "Invalid credentials in Authorization header":
		f.Code, f.Err = "the token is not accepted", fs.ErrPermission
		f.Hint = "the token is HF_TOKEN, or what hf auth login has saved; HF_HUB_DISABLE_IMPLICIT_TOKEN=1 reads without"
	case f.Code == "RepoNotFound" || status == http.StatusUnauthorized:
		f.Err = errNoRepo
		f.Hint = p.site() + " does not exist, or is private and the token does not allow to read it"
		if !token {
			f.Hint = p.site() + " does not exist, or is private and needs a token (HF_TOKEN, or hf auth login)"
		}
		if p.kind == "models" {
			f.Hint += "; a data set is hf://datasets/" + p.id
		}
	case status == http.StatusForbidden:
		f.Err = fs.ErrPermission
		f.Hint = "the token does not allow to read " + p.site()
	case status == http.StatusTooManyRequests:
		if m := regexp.MustCompile(rateLimit).FindStringSubmatch(h.Get("RateLimit")); m != nil {
			seconds, _ := strconv.Atoi(m[1])
			f.After = time.Duration(seconds) * time.Second
		}
		if !token {
			f.Hint = "the Hub allows more requests with a token (HF_TOKEN, or hf auth login)"
		}
	}
	return f
}
