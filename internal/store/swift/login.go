package swift

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	ncw "github.com/ncw/swift/v2"

	"github.com/shardfs/shardfs/internal/store"
)

// session is what logging in gives: where the account is, and the token to show there.
type session struct {
	url, token string
	expires    time.Time // zero if unknown
}

// header is the header in which requests show the token.
const header = "X-Auth-Token"

// early is how long before its end a token is replaced.
const early = time.Minute

// login logs in when that is needed. It is safe for concurrent use.
type login struct {
	getenv func(string) string
	pause  time.Duration // before the second try

	busy chan struct{} // holds a value while a caller uses the fields below
	conn *ncw.Connection
	now  *session // nil before the first login
}

func newLogin(getenv func(string) string) *login {
	return &login{getenv: getenv, pause: 500 * time.Millisecond, busy: make(chan struct{}, 1)}
}

// tries is how often a server that does not answer is asked for a token.
const tries = 4

// session returns a session that has not expired.
func (l *login) session(ctx context.Context) (*session, error) {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.now != nil && (l.now.expires.IsZero() || time.Until(l.now.expires) > early) {
		return l.now, nil
	}
	for try, pause := 1, l.pause; ; try, pause = try+1, 2*pause {
		now, again, err := l.authenticate(ctx)
		if err == nil {
			l.now = now
			return now, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !again || try == tries {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// sign implements the function of [remote.Place].
func (l *login) sign(ctx context.Context, r *http.Request) error {
	s, err := l.session(ctx)
	if err == nil && s.token != "" {
		r.Header.Set(header, s.token)
	}
	return err
}

// renew implements the function of [remote.Place]. A token of the environment cannot be renewed.
func (l *login) renew(ctx context.Context, refused *http.Request) bool {
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return false
	}
	if l.conn == nil {
		return false
	}
	if l.now != nil && l.now.token == refused.Header.Get(header) {
		l.now = nil
	}
	return true
}

// authenticate logs in once. Again says that another try may help.
func (l *login) authenticate(ctx context.Context) (s *session, again bool, err error) {
	storage := strings.TrimRight(l.getenv("OS_STORAGE_URL"), "/")
	login := l.getenv("OS_AUTH_URL") != "" || l.getenv("ST_AUTH") != ""
	if storage != "" && (l.getenv("OS_AUTH_TOKEN") != "" || !login) {
		// Without a token, this is a container that anyone may read.
		return &session{url: storage, token: l.getenv("OS_AUTH_TOKEN")}, false, nil
	}
	if l.conn == nil {
		if l.conn, err = connection(l.getenv); err != nil {
			return nil, false, err
		}
	}
	if err := l.conn.Authenticate(ctx); err != nil {
		l.conn.Auth = nil // it remembers which kind of secret was tried last
		again, err = explain(err)
		return nil, again, err
	}
	s = &session{url: strings.TrimRight(l.conn.StorageUrl, "/"), token: l.conn.AuthToken, expires: l.conn.Expires}
	if storage != "" {
		s.url = storage
	}
	if s.url == "" || s.token == "" {
		return nil, false, fmt.Errorf("the login names no object store or no token: %w", fs.ErrPermission)
	}
	return s, false, nil
}

// explain returns an error of logging in without the URL, and whether another try may help.
func explain(err error) (again bool, explained error) {
	var failed *url.Error
	var status *ncw.Error
	switch {
	case errors.As(err, &failed):
		return true, fmt.Errorf("login: %w: %w", store.ErrUnreachable, failed.Err)
	case errors.As(err, &status) && (status.StatusCode == 429 || status.StatusCode == 408 || status.StatusCode >= 500):
		return true, fmt.Errorf("login: %w: %s", store.ErrUnreachable, http.StatusText(status.StatusCode))
	case errors.As(err, &status) && status.StatusCode > 0:
		// The library's text has what the server has written.
		return false, fmt.Errorf("login: %w: %s", fs.ErrPermission, http.StatusText(status.StatusCode))
	}
	return false, fmt.Errorf("login: %w: %w", fs.ErrPermission, err)
}

// versionOf finds the version of the identity service at the end of its URL.
const versionOf = `/v([123])(?:\.[0-9]+)?/*(?:auth/*)?$`

// connection returns a connection for the user whom the environment describes. The library could read the environment,
// too, but knows fewer of the names than OpenStack's own tools.
func connection(getenv func(string) string) (*ncw.Connection, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	if getenv("OS_AUTH_URL") == "" {
		if getenv("ST_AUTH") == "" {
			return nil, &noUserError{getenv("OS_CLOUD") != ""}
		}
		c := &ncw.Connection{AuthUrl: getenv("ST_AUTH"), UserName: getenv("ST_USER"), ApiKey: getenv("ST_KEY")}
		return c, setVersion(c, first("ST_AUTH_VERSION"), "1")
	}
	c := &ncw.Connection{
		AuthUrl:                     getenv("OS_AUTH_URL"),
		UserName:                    getenv("OS_USERNAME"),
		UserId:                      getenv("OS_USER_ID"),
		ApiKey:                      getenv("OS_PASSWORD"),
		Token:                       first("OS_TOKEN", "OS_AUTH_TOKEN"),
		Domain:                      getenv("OS_USER_DOMAIN_NAME"),
		DomainId:                    getenv("OS_USER_DOMAIN_ID"),
		Tenant:                      first("OS_PROJECT_NAME", "OS_TENANT_NAME"),
		TenantId:                    first("OS_PROJECT_ID", "OS_TENANT_ID"),
		TenantDomain:                getenv("OS_PROJECT_DOMAIN_NAME"),
		TenantDomainId:              getenv("OS_PROJECT_DOMAIN_ID"),
		TrustId:                     getenv("OS_TRUST_ID"),
		ApplicationCredentialId:     getenv("OS_APPLICATION_CREDENTIAL_ID"),
		ApplicationCredentialName:   getenv("OS_APPLICATION_CREDENTIAL_NAME"),
		ApplicationCredentialSecret: getenv("OS_APPLICATION_CREDENTIAL_SECRET"),
		Region:                      getenv("OS_REGION_NAME"),
		EndpointType:                endpointType(first("OS_ENDPOINT_TYPE", "OS_INTERFACE")),
	}
	return c, setVersion(c, first("OS_IDENTITY_API_VERSION", "ST_AUTH_VERSION"), "3")
}

// endpointType reads which of its URLs a service is used by: publicURL is the same as public.
func endpointType(s string) ncw.EndpointType { return ncw.EndpointType(strings.TrimSuffix(s, "URL")) }

// setVersion sets the version of the identity service: that at the end of its URL, else as wanted.
func setVersion(c *ncw.Connection, wanted, without string) error {
	c.UserAgent = "shardfs"
	if m := regexp.MustCompile(versionOf).FindStringSubmatch(c.AuthUrl); m != nil {
		wanted = m[1]
	} else if wanted == "" {
		wanted = without
	}
	switch strings.TrimSuffix(wanted, ".0") {
	case "1":
		c.AuthVersion = 1
	case "2":
		c.AuthVersion = 2
	case "3":
		if c.AuthVersion = 3; !strings.Contains(c.AuthUrl, "/v3") {
			// The library does not ask a service for its versions.
			c.AuthUrl = strings.TrimRight(c.AuthUrl, "/") + "/v3"
		}
	default:
		return fmt.Errorf("OS_IDENTITY_API_VERSION or ST_AUTH_VERSION is %w: want 1, 2 or 3", store.ErrName)
	}
	return nil
}

// noUserError means that the environment describes no user.
type noUserError struct{ cloud bool }

func (e *noUserError) Error() string { return "no login for Swift is known" }

func (e *noUserError) Unwrap() error { return fs.ErrPermission }

// Hint returns what the user can do.
func (e *noUserError) Hint() string {
	if e.cloud {
		return "clouds.yaml is not read: set OS_STORAGE_URL, and OS_AUTH_TOKEN to what openstack token issue prints"
	}
	return "set OS_AUTH_URL and its like, as openrc does; or ST_AUTH, ST_USER, ST_KEY; or OS_STORAGE_URL, OS_AUTH_TOKEN"
}
