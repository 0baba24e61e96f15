package gs

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
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
	return remote.Pages(prefix, func(token string) ([]store.Entry, string, error) {
		bucket, objects, err := split(prefix)
		if err != nil {
			return nil, "", err
		}
		set, err := s.settings()
		if err != nil {
			return nil, "", err
		}
		place := set.place("/storage/v1/b/", bucket, "/o")
		query := url.Values{"prefix": {objects}, "fields": {"items(name,size,generation,updated),nextPageToken"}}
		if token != "" {
			query.Set("pageToken", token)
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
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, "", fmt.Errorf("%w: the listing is not valid JSON", store.ErrUnreachable)
	}
	for _, item := range p.Items {
		size, err := strconv.ParseInt(item.Size, 10, 64)
		if err != nil {
			return nil, "", fmt.Errorf("%w: the listing has an object without a size", store.ErrUnreachable)
		}
		objects = append(objects, store.Entry{Name: scheme + "://" + bucket + "/" + item.Name,
			Info: store.Info{Size: size, ModTime: item.Updated, Version: store.Version(item.Generation)}})
	}
	return objects, p.NextPageToken, nil
}
