// Package gs finds shards in Google Cloud Storage, for package remote.
//
// A name is gs://BUCKET/OBJECT, where the object is any bytes, each of them literal. Objects are read by the media requests
// of the JSON API, which emulators answer under every host name. Each request after the first names the object's
// generation, so its bytes can be of no other version. An object that is stored with Content-Encoding gzip is read as it is
// stored: requests accept gzip, because the service would unpack it otherwise, and then ignores ranges.
package gs

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/bearer"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// scheme is the scheme of names.
const scheme = "gs"

var errName = fmt.Errorf("%w: want gs://BUCKET/OBJECT, and of a bucket a-z, 0-9, ., - and _", store.ErrName)

// Service finds objects of Google Cloud Storage. The zero value is usable; it reads the configuration when it is first
// used. It must not be copied after that.
type Service struct {
	// Getenv returns a variable of the environment. Nil means that there are none. Google's library, which finds the
	// credentials, reads the environment by itself.
	Getenv func(name string) string

	once    sync.Once
	set     *settings
	writing *settings // for requests that write
	err     error
}

var _ remote.Lister = (*Service)(nil)

// settings are what the user has configured, for requests that have one scope.
type settings struct {
	base    *url.URL      // below which the API is
	tokens  *bearer.Cache // nil for anonymous requests
	project string        // that pays for requests; "" for the one of the credentials, or the bucket's
	adc     *adc          // where tokens are from
}

// Locate implements [remote.Service].
func (s *Service) Locate(_ context.Context, name string) (*remote.Place, error) {
	bucket, object, err := split(name)
	if err != nil {
		return nil, err
	}
	if object == "" {
		return nil, errName
	}
	set, err := s.settings()
	if err != nil {
		return nil, err
	}
	p := set.place("/storage/v1/b/", bucket, "/o/", object)
	p.URL.RawQuery = "alt=media"
	p.Header = http.Header{"Accept-Encoding": {"gzip"}}
	p.Pin = pin
	return p, nil
}

// split returns the bucket and the object of a name, of which the latter may be empty.
func split(name string) (bucket, object string, err error) {
	rest, ok := strings.CutPrefix(name, scheme+"://")
	if !ok {
		scheme, _ := store.Split(name)
		return "", "", &store.SchemeError{Scheme: scheme}
	}
	bucket, object, _ = strings.Cut(rest, "/")
	if bucket == "" || strings.Trim(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", "", errName
	}
	return bucket, object, nil
}

// settings returns the settings, which are read when they are first needed. It looks for no credentials.
func (s *Service) settings() (*settings, error) {
	s.once.Do(func() {
		getenv := s.Getenv
		if getenv == nil {
			getenv = func(string) string { return "" }
		}
		if s.set, s.err = load(getenv, reading); s.err == nil {
			s.writing, s.err = load(getenv, writing)
		}
	})
	return s.set, s.err
}

// load reads the settings, for requests of a scope, from the environment. An emulator gets no credentials.
func load(getenv func(string) string, scope string) (*settings, error) {
	set := &settings{
		base:    &url.URL{Scheme: "https", Host: "storage.googleapis.com"},
		project: getenv("GOOGLE_CLOUD_QUOTA_PROJECT"),
	}
	const emulator = "STORAGE_EMULATOR_HOST"
	for _, name := range []string{"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", emulator} {
		if getenv(name) == "" {
			continue
		}
		var err error
		if set.base, err = endpoint(getenv(name)); err != nil {
			return nil, fmt.Errorf("%s is %w: want HOST:PORT or a URL such as https://HOST", name, err)
		}
	}
	// The words of gcloud, of GDAL and of obstore.
	for _, name := range []string{"CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "GS_NO_SIGN_REQUEST",
		"GOOGLE_SKIP_SIGNATURE"} {
		if anonymous, err := store.Switch(name, getenv(name)); err != nil || anonymous {
			return set, err
		}
	}
	if getenv(emulator) == "" {
		set.adc = &adc{file: getenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"), scope: scope}
		set.tokens = bearer.New(set.adc.token)
	}
	return set, nil
}

// endpoint returns the URL that a variable stands for, which may be a host and port only.
func endpoint(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, ok := remote.ParseEndpoint(text)
	if !ok {
		return nil, store.ErrName
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host,
		Path: strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/storage/v1")}, nil
}

// place returns where a path of the API is. Each second element of it is a name, which may have any bytes.
func (set *settings) place(path ...string) *remote.Place {
	u := *set.base
	u.RawPath = u.EscapedPath()
	for i, part := range path {
		u.Path += part
		if i%2 == 1 {
			part = url.PathEscape(part)
		}
		u.RawPath += part
	}
	p := &remote.Place{URL: &u, Fault: set.fault}
	if set.tokens != nil {
		p.Sign, p.Renew = set.sign, set.tokens.Renew
	}
	return p
}

// sign adds the token to a request, and the project that pays for it.
func (set *settings) sign(ctx context.Context, r *http.Request) error {
	if err := set.tokens.Sign(ctx, r); err != nil {
		return err
	}
	project := set.project
	if project == "" {
		project = set.adc.project()
	}
	if project != "" && r.Header.Get("Authorization") != "" {
		r.Header.Set("X-Goog-User-Project", project)
	}
	return nil
}

// pin returns what an answer says of the version: its generation. A generation that was replaced or deleted is not found.
// The condition ifGenerationMatch would say the same in other words, but some emulators ignore it.
func pin(answer http.Header) remote.Pin {
	var p remote.Pin
	if when, err := http.ParseTime(answer.Get("Last-Modified")); err == nil {
		p.ModTime = when
	}
	if generation := answer.Get("X-Goog-Generation"); generation != "" {
		p.Version, p.Strong = store.Version(generation), true
		p.Query = url.Values{"generation": {generation}}
	}
	if stored := answer.Get("X-Goog-Stored-Content-Encoding"); stored != "identity" {
		p.Encoding = strings.ToLower(stored)
	}
	return p
}
