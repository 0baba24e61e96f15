package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// uploads is a page of a list of uploads.
type uploads struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	IsTruncated        bool
	NextKeyMarker      string
	NextUploadIdMarker string
	Upload             []struct {
		Key       string
		UploadId  string
		Initiated time.Time
	}
}

// maxUploads is the most pages of a list of uploads that are read.
const maxUploads = 1000

// Unfinished implements [remote.UploadLister].
func (s *Service) Unfinished(ctx context.Context, prefix string, send remote.Send) (list []remote.Unfinished,
	err error) {
	bucket, keys, err := split(prefix)
	if err != nil {
		return nil, err
	}
	u := &upload{s: s, bucket: bucket, send: send}
	query := url.Values{"uploads": {""}, "prefix": {keys}}
	for range maxUploads {
		reply, err := u.do(ctx, remote.Request{Method: http.MethodGet}, "", query)
		if errors.Is(err, remote.ErrNoUpload) { // rclone, if there are none
			return list, nil
		}
		if err != nil {
			return list, err
		}
		var page uploads
		if err := xml.Unmarshal(reply.Body, &page); err != nil {
			return list, fmt.Errorf("%w: the list of uploads is not valid XML", store.ErrUnreachable)
		}
		for _, one := range page.Upload {
			list = append(list, remote.Unfinished{Name: scheme + "://" + bucket + "/" + one.Key, Upload: one.UploadId,
				Begun: one.Initiated})
		}
		if !page.IsTruncated || page.NextKeyMarker == "" {
			return list, nil
		}
		query.Set("key-marker", page.NextKeyMarker)
		query.Set("upload-id-marker", page.NextUploadIdMarker)
	}
	return list, nil
}
