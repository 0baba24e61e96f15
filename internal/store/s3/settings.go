package s3

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// settings are what the user has configured.
type settings struct {
	region      string
	endpoint    *url.URL                // nil for Amazon's own
	virtual     bool                    // at the endpoint the bucket is a part of the host
	payer       string                  // of requests, "" for the bucket's owner
	credentials aws.CredentialsProvider // nil for anonymous requests
}

// renewEvery is the least time between two searches for newer credentials.
const renewEvery = 5 * time.Second

// settings returns the settings, which are read when they are first needed. That needs no network, but reading credentials
// may.
func (s *Service) settings(ctx context.Context) (*settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		set, err := load(ctx, s.Getenv)
		if err != nil {
			return nil, err
		}
		s.set = set
	}
	return s.set, nil
}

// load reads the settings from the environment and from the files of Amazon's tools.
func load(ctx context.Context, getenv func(string) string) (*settings, error) {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	c, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	var profile config.SharedConfigProfileNotExistError
	switch {
	case errors.As(err, &profile):
		return nil, &noProfileError{profile.Profile}
	case err != nil:
		return nil, fmt.Errorf("the configuration of AWS: %w", err)
	}
	set := &settings{region: c.Region, payer: getenv("AWS_REQUEST_PAYER"), credentials: c.Credentials}
	anonymous := false
	for name, value := range map[string]*bool{
		"AWS_VIRTUAL_HOSTING": &set.virtual, "AWS_NO_SIGN_REQUEST": &anonymous,
	} {
		if *value, err = store.Switch(name, getenv(name)); err != nil {
			return nil, err
		}
	}
	if anonymous {
		set.credentials = nil
	}
	if set.region == "" {
		set.region = "us-east-1" // where Amazon tells the region of any bucket; others mostly take it
	}
	if !isRegion(set.region) {
		return nil, fmt.Errorf("AWS_REGION, or region of the profile, is %w: %q", store.ErrName, set.region)
	}
	set.endpoint, err = endpoint(ctx, c)
	return set, err
}

// noProfileError is the error of a profile that is named and is in no file.
type noProfileError struct{ profile string }

func (e *noProfileError) Error() string {
	return fmt.Sprintf("no profile %q in the files of ~/.aws", e.profile)
}

func (*noProfileError) Unwrap() error { return store.ErrName }

// Hint returns what names the profile.
func (*noProfileError) Hint() string {
	return "AWS_PROFILE names it; aws configure list-profiles shows those there are"
}

// endpoint returns the endpoint that the environment or a profile names, or nil.
func endpoint(ctx context.Context, c aws.Config) (*url.URL, error) {
	if ignored, _, err := config.GetIgnoreConfiguredEndpoints(ctx, c.ConfigSources); ignored || err != nil {
		return nil, err
	}
	text := aws.ToString(c.BaseEndpoint)
	for _, source := range c.ConfigSources {
		s, ok := source.(interface {
			GetServiceBaseEndpoint(ctx context.Context, service string) (string, bool, error)
		})
		if !ok {
			continue
		}
		if own, found, err := s.GetServiceBaseEndpoint(ctx, "S3"); found && err == nil {
			text = own
			break
		}
	}
	if text == "" {
		return nil, nil
	}
	u, ok := remote.ParseEndpoint(text)
	if !ok {
		return nil, fmt.Errorf("the endpoint of S3 (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or endpoint_url of "+
			"the profile) is %w: want a URL such as https://HOST", store.ErrName)
	}
	return u, nil
}
