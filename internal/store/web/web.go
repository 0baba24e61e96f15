// Package web finds shards of web servers, by http and https. A name is a URL: its percent-escapes and its query go to the
// server as they are. Credentials are the user information of the URL or come from ~/.netrc; only the URL's own host gets
// them.
package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// Service finds objects of web servers.
type Service struct {
	// Getenv returns a variable of the environment, of which NETRC and HOME are used. Nil means that there are none.
	Getenv func(name string) string
}

// Locate implements [remote.Service].
func (s Service) Locate(_ context.Context, name string) (*remote.Place, error) {
	u, err := parse(name)
	if err != nil {
		return nil, err
	}
	login := login{}
	if u.User != nil {
		login.user = u.User.Username()
		login.password, login.known = u.User.Password()
		u.User = nil
	}
	var unreadable error
	if !login.known {
		login, unreadable = s.fromNetrc(u.Hostname(), login.user)
	}
	sent := login.user != "" || login.known
	p := &remote.Place{URL: u, Pin: remote.ETagPin, Fault: func(status int, _ http.Header, _ []byte) remote.Fault {
		return fault(status, sent, u.RawQuery != "")
	}}
	if sent || unreadable != nil {
		p.Sign = func(_ context.Context, r *http.Request) error {
			r.SetBasicAuth(login.user, login.password)
			return unreadable
		}
	}
	return p, nil
}

// fault explains an answer to a request with or without credentials, or with a query.
func fault(status int, sent, query bool) (f remote.Fault) {
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && query && !sent:
		f.Hint = "if the URL is a signed one, it may have expired: make a new one"
	case status == http.StatusUnauthorized && sent:
		f.Hint = "the user or password, of the URL or of ~/.netrc, is not accepted"
	case status == http.StatusUnauthorized:
		f.Hint = "it wants a user and password: USER:PASSWORD@ before the host, or a line for the host in ~/.netrc"
	}
	return f
}

// parse returns the URL that is asked for, with the user information. The error does not contain the name.
func parse(name string) (*url.URL, error) {
	u, err := url.Parse(name)
	if err != nil { // its text may have a part of the password
		return nil, fmt.Errorf("%w: a port that is no number, or characters that must be escaped", store.ErrName)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &store.SchemeError{Scheme: u.Scheme}
	case u.Hostname() == "":
		return nil, fmt.Errorf("%w: the URL names no host", store.ErrName)
	case !isPort(u.Port()):
		return nil, fmt.Errorf("%w: ports are numbers from 1 to 65535", store.ErrName)
	case u.Fragment != "" || strings.HasSuffix(name, "#"):
		return nil, fmt.Errorf("%w: # begins a part of a URL that no server gets: write %%23", store.ErrName)
	}
	return u, nil
}

// isPort reports whether a port can be connected to; "" is the usual one.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
