package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"iter"
	"net/url"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

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

// List implements [remote.Lister].
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return remote.Pages(prefix, func(token string) ([]store.Entry, string, error) {
		bucket, keys, err := split(prefix)
		if err != nil {
			return nil, "", err
		}
		set, err := s.settings(ctx)
		if err != nil {
			return nil, "", err
		}
		place := s.place(set, bucket, "", s.region(set, bucket))
		query := url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "prefix": {keys}}
		if token != "" {
			query.Set("continuation-token", token)
		}
		place.URL.RawQuery = query.Encode()
		_, body, err := do(ctx, place)
		if err != nil {
			return nil, "", err
		}
		return readPage(body, bucket)
	})
}

// readPage returns the objects of a page, and what asks for the next one, or "".
func readPage(body []byte, bucket string) (objects []store.Entry, next string, err error) {
	var p page
	if err := xml.Unmarshal(body, &p); err != nil {
		return nil, "", fmt.Errorf("%w: the listing is not valid XML", store.ErrUnreachable)
	}
	for _, object := range p.Contents {
		key := object.Key
		if p.EncodingType == "url" { // some servers do not encode, and some write a space as +
			if key, err = url.QueryUnescape(key); err != nil {
				return nil, "", fmt.Errorf("%w: the listing has a key that is not encoded as it says",
					store.ErrUnreachable)
			}
		}
		objects = append(objects, store.Entry{Name: scheme + "://" + bucket + "/" + key, Info: store.Info{
			Size: object.Size, ModTime: object.LastModified, Version: store.Version(object.ETag)}})
	}
	if !p.IsTruncated {
		return objects, "", nil
	}
	if p.NextContinuationToken == "" {
		return nil, "", fmt.Errorf("%w: the listing is cut", store.ErrUnreachable)
	}
	return objects, p.NextContinuationToken, nil
}
