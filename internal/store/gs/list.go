package gs

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// page is an answer to a request for a list of objects.
type page struct {
	Items []struct {
		Name       string    `json:"name"`
		Size       string    `json:"size"`
		Generation string    `json:"generation"`
		Updated    time.Time `json:"updated"`
	} `json:"items"`
	NextPageToken string `json:"nextPageToken"`
}

// List implements [remote.Lister].
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return remote.List(ctx, do, func() (*remote.Listing, error) {
		bucket, objects, err := split(prefix)
		if err != nil {
			return nil, err
		}
		set, err := s.settings()
		if err != nil {
			return nil, err
		}
		return &remote.Listing{Root: scheme + "://" + bucket + "/", Prefix: objects, Read: readPage,
			Place: func(token string) (*remote.Place, error) {
				p := set.place("/storage/v1/b/", bucket, "/o")
				p.URL.RawQuery = remote.Query(map[string]string{"prefix": objects, "pageToken": token,
					"fields": "items(name,size,generation,updated),nextPageToken"})
				return p, nil
			}}, nil
	})
}

// readPage reads a page for [remote.Listing].
func readPage(body []byte) (objects []store.Entry, next string, err error) {
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, "", err
	}
	for _, item := range p.Items {
		size, err := strconv.ParseInt(item.Size, 10, 64)
		if err != nil {
			return nil, "", errors.New("an object without a size")
		}
		objects = append(objects, store.Entry{Name: item.Name,
			Info: store.Info{Size: size, ModTime: item.Updated, Version: store.Version(item.Generation)}})
	}
	return objects, p.NextPageToken, nil
}
