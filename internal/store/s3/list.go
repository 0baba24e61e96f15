package s3

import (
	"context"
	"encoding/xml"
	"errors"
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
	return remote.List(ctx, do, func() (*remote.Listing, error) {
		bucket, keys, err := split(prefix)
		if err != nil {
			return nil, err
		}
		set, err := s.settings(ctx)
		if err != nil {
			return nil, err
		}
		return &remote.Listing{Root: scheme + "://" + bucket + "/", Prefix: keys, Read: readPage,
			Place: func(token string) (*remote.Place, error) {
				p := s.place(set, bucket, "", s.region(set, bucket)) // which the page before may have told
				p.URL.RawQuery = remote.Query(map[string]string{"list-type": "2", "encoding-type": "url",
					"prefix": keys, "continuation-token": token})
				return p, nil
			}}, nil
	})
}

// readPage reads a page for [remote.Listing].
func readPage(body []byte) (objects []store.Entry, next string, err error) {
	var p page
	if err := xml.Unmarshal(body, &p); err != nil {
		return nil, "", err
	}
	for _, object := range p.Contents {
		key := object.Key
		if p.EncodingType == "url" { // some servers do not encode, and some write a space as +
			if key, err = url.QueryUnescape(key); err != nil {
				return nil, "", errors.New("a key that is not encoded as it says")
			}
		}
		objects = append(objects, store.Entry{Name: key, Info: store.Info{
			Size: object.Size, ModTime: object.LastModified, Version: store.Version(object.ETag)}})
	}
	if !p.IsTruncated {
		return objects, "", nil
	}
	if p.NextContinuationToken == "" {
		return nil, "", errors.New("it is cut")
	}
	return objects, p.NextContinuationToken, nil
}
