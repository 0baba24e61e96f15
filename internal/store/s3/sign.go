package s3

import (
	"context"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/logging"
)

// emptyHash is the SHA-256 of the body of a request that has none.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign signs a request for a region. The signature covers only what must be signed: proxies, and Google's own service of
// this protocol, change other headers on the way.
func (s *Service) sign(ctx context.Context, r *http.Request, region string) error {
	set, err := s.settings(ctx)
	if err != nil {
		return err
	}
	credentials, err := set.credentials.Retrieve(ctx)
	if err != nil {
		return noCredentials{err}
	}
	hash := r.Header.Get(hashHeader)
	if hash == "" {
		hash = emptyHash
		r.Header.Set(hashHeader, hash)
	}
	bare := r.Clone(ctx)
	for name := range bare.Header {
		if !strings.HasPrefix(name, "X-Amz-") {
			delete(bare.Header, name)
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true // the path is escaped
		o.Logger = logging.Nop{}
	})
	if err := signer.SignHTTP(ctx, credentials, bare, hash, "s3", region, time.Now()); err != nil {
		return err
	}
	for name, values := range bare.Header {
		r.Header[name] = values
	}
	r.URL = bare.URL // with the query as it was signed
	return nil
}

// renew reads configuration and credentials again, unless that was done since a request was refused, and reports whether
// there are other credentials than those of the request.
func (s *Service) renew(ctx context.Context, refused *http.Request) bool {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	set, err := s.settings(ctx)
	if err != nil || set.credentials == nil {
		return false
	}
	old, err := set.credentials.Retrieve(ctx)
	if err == nil && !signed(refused, old) {
		return true
	}
	s.mu.Lock()
	early := time.Since(s.renewed) < renewEvery
	s.mu.Unlock()
	if early {
		return false
	}
	set, err = load(ctx, s.Getenv)
	if err != nil || set.credentials == nil {
		return false
	}
	now, err := set.credentials.Retrieve(ctx)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.renewed = set, time.Now()
	return !signed(refused, now) || now.SecretAccessKey != old.SecretAccessKey
}

// signed reports whether a request was signed with credentials, as far as it shows.
func signed(r *http.Request, c aws.Credentials) bool {
	return r.Header.Get("X-Amz-Security-Token") == c.SessionToken &&
		strings.Contains(r.Header.Get("Authorization"), " Credential="+c.AccessKeyID+"/")
}

// noCredentials is the error of a search for credentials that has found none.
type noCredentials struct{ err error }

// Error returns what a user can make use of: where the search ends at the service for virtual machines, there is none.
func (e noCredentials) Error() string {
	if text := e.err.Error(); !strings.Contains(text, "EC2 IMDS") {
		return strings.Join(strings.Fields(text), " ")
	}
	return "none in the environment, in the files of ~/.aws, or from a service of this machine"
}

func (e noCredentials) Is(target error) bool { return target == fs.ErrPermission }

func (e noCredentials) Unwrap() error { return e.err }

// Hint returns what the user can do.
func (noCredentials) Hint() string {
	return "AWS_NO_SIGN_REQUEST=YES reads public data without credentials"
}
