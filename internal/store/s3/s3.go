// Package s3 finds shards in Amazon S3 and in the many stores that speak its protocol: MinIO, Ceph, R2, Garage, Swift.
//
// A name is s3://BUCKET/KEY, where the key is any bytes, each of them literal. Region, endpoint and credentials are those
// that Amazon's own tools would use, found by Amazon's library. Requests for objects are signed here, and sent and verified
// by package remote.
package s3

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// scheme is the scheme of names.
const scheme = "s3"

// Service finds objects of S3. The zero value is usable; it reads configuration and credentials when it is first used. It
// must not be copied after that.
type Service struct {
	// Getenv returns a variable of the environment, of which AWS_NO_SIGN_REQUEST, AWS_REQUEST_PAYER and
	// AWS_VIRTUAL_HOSTING are used. Nil means that there are none. Amazon's library reads the environment by itself.
	Getenv func(name string) string

	renewing sync.Mutex // held while credentials are renewed

	mu      sync.Mutex        // guards all below
	set     *settings         // nil until they are needed
	renewed time.Time         // when set was read anew
	regions map[string]string // of buckets, as servers have told them
}

// Locate implements [remote.Service].
func (s *Service) Locate(ctx context.Context, name string) (*remote.Place, error) {
	bucket, key, err := split(name)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, fmt.Errorf("%w: a bucket without a key: want s3://BUCKET/KEY", store.ErrName)
	}
	set, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	return s.place(set, bucket, key, s.region(set, bucket)), nil
}

// split returns the bucket and the key of a name. Neither has escapes.
func split(name string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(name, scheme+"://")
	if !ok {
		scheme, _ := store.Split(name)
		return "", "", &store.SchemeError{Scheme: scheme}
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if !isBucket(bucket) {
		return "", "", fmt.Errorf("%w: want s3://BUCKET/KEY, and of a bucket letters, digits and . - _", store.ErrName)
	}
	return bucket, key, nil
}

// isBucket reports whether a name can be that of a bucket. It becomes a part of a host name or a path.
func isBucket(name string) bool {
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return len(name) <= 255 && name != "" && name != "." && name != ".."
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// region returns the region of a bucket, as far as it is known.
func (s *Service) region(set *settings, bucket string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if region := s.regions[bucket]; region != "" {
		return region
	}
	return set.region
}

// place returns where a key of a bucket in a region is; with an empty key, where the bucket is.
//
// The version is the ETag, and not the versionId of a bucket with versions: asking for one needs a permission that few
// readers have, and would go on without a word in an object that has been replaced.
func (s *Service) place(set *settings, bucket, key, region string) *remote.Place {
	p := &remote.Place{URL: set.url(bucket, key, region), Header: make(http.Header), Pin: pin, Fault: fault}
	p.Moved = func(status int, header http.Header, body []byte) *remote.Place {
		other := movedTo(status, header, body)
		if other == "" || other == region {
			return nil
		}
		s.mu.Lock()
		if s.regions == nil {
			s.regions = make(map[string]string)
		}
		s.regions[bucket] = other
		s.mu.Unlock()
		next := s.place(set, bucket, key, other)
		next.URL.RawQuery = p.URL.RawQuery
		return next
	}
	if set.payer != "" {
		p.Header.Set("X-Amz-Request-Payer", set.payer)
	}
	if set.credentials == nil {
		p.Fault = unsigned
	} else {
		p.Sign = func(ctx context.Context, r *http.Request) error { return s.sign(ctx, r, region) }
		p.Renew = s.renew
	}
	return p
}

// pin returns the version in an answer, and the write id of what shardfs has written.
func pin(answer http.Header) remote.Pin {
	p := remote.ETagPin(answer)
	p.WriteID = answer.Get(writeIDHeader)
	return p
}

// url returns the URL of a key: with the bucket as a part of the path for endpoints that the user has named, and for
// buckets that can be no part of a host name or, with a dot, of none that a certificate is for.
func (set *settings) url(bucket, key, region string) *url.URL {
	u := &url.URL{Scheme: "https", Host: "s3." + region + ".amazonaws.com"}
	if strings.HasPrefix(region, "cn-") {
		u.Host += ".cn"
	}
	path := "/" + key
	inHost := !strings.ContainsAny(bucket, "._") && bucket == strings.ToLower(bucket)
	if set.endpoint != nil {
		u.Scheme, u.Host = set.endpoint.Scheme, set.endpoint.Host
		inHost = set.virtual
	}
	if inHost {
		u.Host = bucket + "." + u.Host
	} else if path = "/" + bucket; key != "" {
		path += "/" + key
	}
	if set.endpoint != nil {
		path = strings.TrimSuffix(set.endpoint.Path, "/") + path
	}
	u.Path, u.RawPath = path, remote.EscapePath(path) // as signatures of S3 want it
	return u
}
