package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// maxListed is the most objects of one listing. They are kept to be sorted.
const maxListed = 4_000_000

// page is an answer to ListObjectsV2.
type page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	NextContinuationToken string
	EncodingType          string
	Contents              []struct {
		Key          string
		LastModified time.Time
		ETag         string
		Size         int64
	}
}

// List implements [remote.Lister]. It sorts the whole listing, because not every server sorts by the bytes of keys.
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		all, err := s.list(ctx, prefix, do)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// list returns the whole listing, sorted.
func (s *Service) list(ctx context.Context, prefix string, do remote.Do) ([]store.Entry, error) {
	bucket, keys, err := split(prefix)
	if err != nil {
		return nil, err
	}
	set, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	var all []store.Entry
	for token := ""; ; {
		place := s.place(set, bucket, "", s.region(set, bucket))
		query := url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "prefix": {keys}}
		if token != "" {
			query.Set("continuation-token", token)
		}
		place.URL.RawQuery = query.Encode()
		_, body, err := do(ctx, place)
		if err != nil {
			return nil, err
		}
		next, err := readPage(body, bucket, keys, &all)
		if err != nil {
			return nil, err
		}
		if next == "" {
			break
		}
		if next == token {
			return nil, fmt.Errorf("%w: the listing does not go on", store.ErrUnreachable)
		}
		if token = next; len(all) > maxListed {
			return nil, fmt.Errorf("more than %d objects begin with that", maxListed)
		}
	}
	slices.SortFunc(all, func(a, b store.Entry) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b store.Entry) bool { return a.Name == b.Name }), nil
}

// readPage adds the objects of a page, and returns what asks for the next one, or "".
func readPage(body []byte, bucket, prefix string, all *[]store.Entry) (next string, err error) {
	var p page
	if err := xml.Unmarshal(body, &p); err != nil {
		return "", fmt.Errorf("%w: the listing is not valid XML", store.ErrUnreachable)
	}
	for _, object := range p.Contents {
		key := object.Key
		if p.EncodingType == "url" { // some servers do not encode, and some write a space as +
			if key, err = url.QueryUnescape(key); err != nil {
				return "", fmt.Errorf("%w: the listing has a key that is not encoded as it says", store.ErrUnreachable)
			}
		}
		if !strings.HasPrefix(key, prefix) || object.Size < 0 {
			return "", fmt.Errorf("%w: the listing has a key that was not asked for", store.ErrUnreachable)
		}
		*all = append(*all, store.Entry{Name: Scheme + "://" + bucket + "/" + key, Info: store.Info{Size: object.Size,
			ModTime: object.LastModified, Version: store.Version(object.ETag)}})
	}
	if p.IsTruncated && p.NextContinuationToken == "" {
		return "", fmt.Errorf("%w: the listing is cut", store.ErrUnreachable)
	}
	if !p.IsTruncated {
		return "", nil
	}
	return p.NextContinuationToken, nil
}
