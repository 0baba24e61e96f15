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
	"github.com/shardfs/shardfs/internal/store/bearer"
)

// header is the header in which requests show the token.
const header = "X-Auth-Token"

// login logs in as the environment says. It is safe for concurrent use.
type login struct {
	getenv func(string) string
	tokens *bearer.Cache // with the URL of the account
	pause  time.Duration // before the second try

	conn *ncw.Connection // of the one call that fetches a token; nil before the first
}

func newLogin(getenv func(string) string) *login {
	l := &login{getenv: getenv, pause: 500 * time.Millisecond}
	l.tokens = bearer.New(l.fetch)
	return l
}

// tries is how often a server that does not answer is asked for a token.
const tries = 4

// fetch logs in.
func (l *login) fetch(ctx context.Context) (bearer.Token, error) {
	for try, pause := 1, l.pause; ; try, pause = try+1, 2*pause {
		token, err := l.authenticate(ctx)
		if err == nil || !errors.Is(err, store.ErrUnreachable) || try == tries {
			return token, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return bearer.Token{}, context.Cause(ctx)
		}
	}
}

// sign implements the function of [remote.Place].
func (l *login) sign(ctx context.Context, r *http.Request) error {
	token, err := l.tokens.Get(ctx)
	if err == nil && token.Value != "" {
		r.Header.Set(header, token.Value)
	}
	return err
}

// renew implements the function of [remote.Place].
func (l *login) renew(_ context.Context, refused *http.Request) bool {
	if _, _, given := l.given(); given {
		return false
	}
	l.tokens.Drop(refused.Header.Get(header))
	return true
}

// given returns the URL of the account as the environment has it, or "", and the token that is to be shown there, if no
// login is wanted. Without a token, it is an account with containers that anyone may read.
func (l *login) given() (account, token string, given bool) {
	account = strings.TrimRight(l.getenv("OS_STORAGE_URL"), "/")
	token = l.getenv("OS_AUTH_TOKEN")
	mayLogin := l.getenv("OS_AUTH_URL") != "" || l.getenv("ST_AUTH") != ""
	return account, token, account != "" && (token != "" || !mayLogin)
}

// authenticate logs in once.
func (l *login) authenticate(ctx context.Context) (token bearer.Token, err error) {
	account, value, given := l.given()
	if given {
		return bearer.Token{Value: value, Store: account}, nil
	}
	if l.conn == nil {
		if l.conn, err = connection(l.getenv); err != nil {
			return bearer.Token{}, err
		}
	}
	if err := l.conn.Authenticate(ctx); err != nil {
		l.conn.Auth = nil // it remembers which kind of secret was tried last
		return bearer.Token{}, explain(err)
	}
	token = bearer.Token{Value: l.conn.AuthToken, Expires: l.conn.Expires, Store: account}
	if account == "" {
		token.Store = strings.TrimRight(l.conn.StorageUrl, "/")
	}
	if token.Store == "" || token.Value == "" {
		return bearer.Token{}, fmt.Errorf("the login names no object store or no token: %w", fs.ErrPermission)
	}
	return token, nil
}

// explain returns an error of logging in without the URL: store.ErrUnreachable if another try may help.
func explain(err error) error {
	var failed *url.Error
	var status *ncw.Error
	switch {
	case errors.As(err, &failed):
		return fmt.Errorf("login: %w: %w", store.ErrUnreachable, failed.Err)
	case errors.As(err, &status) && (status.StatusCode == 429 || status.StatusCode == 408 || status.StatusCode >= 500):
		return fmt.Errorf("login: %w: %s", store.ErrUnreachable, http.StatusText(status.StatusCode))
	case errors.As(err, &status) && status.StatusCode > 0:
		return &refusedError{status.StatusCode}
	}
	return fmt.Errorf("login: %w: %w", fs.ErrPermission, err)
}

// refusedError means that the identity service has refused a login. It does not have what the service has written.
type refusedError struct{ status int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("login: %v: %s", fs.ErrPermission, http.StatusText(e.status))
}

func (e *refusedError) Unwrap() error { return fs.ErrPermission }

// Hint returns what the user can do.
func (e *refusedError) Hint() string {
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return "which user, secret, project or domain is wrong is not told: does openstack token issue work with " +
			"the same OS_* variables, or swift stat with the same ST_* ones?"
	}
	return "is OS_AUTH_URL, or ST_AUTH, the URL of the identity service, with /v3 or its like at the end?"
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
