package az

import (
	"context"
	"encoding/xml"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// page is an answer to List Blobs.
type page struct {
	XMLName xml.Name `xml:"EnumerationResults"`
	Blobs   struct {
		Blob []struct {
			Name struct {
				Text    string `xml:",chardata"`
				Encoded bool   `xml:",attr"`
			}
			Properties struct {
				LastModified string `xml:"Last-Modified"`
				ETag         string `xml:"Etag"`
				Size         int64  `xml:"Content-Length"`
				ResourceType string
			}
		}
	}
	NextMarker string
}

// List implements [remote.Lister].
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	object, query, _ := strings.Cut(prefix, "?")
	if query != "" {
		query = "?" + query
	}
	return remote.Pages(object, func(marker string) ([]store.Entry, string, error) {
		n, err := split(prefix)
		if err != nil {
			return nil, "", err
		}
		a, err := s.account(n)
		if err != nil {
			return nil, "", err
		}
		list := url.Values{"restype": {"container"}, "comp": {"list"}, "prefix": {n.blob}}
		if marker != "" {
			list.Set("marker", marker)
		}
		_, body, err := do(ctx, s.place(a, "/"+n.container, list))
		if err != nil {
			return nil, "", err
		}
		return readPage(body, strings.TrimSuffix(object, n.blob), query)
	})
}

// readPage returns the blobs of a page, and what asks for the next one, or "". Their names begin with that of the
// container, and end with a query.
func readPage(body []byte, container, query string) (blobs []store.Entry, next string, err error) {
	var p page
	if err := xml.Unmarshal(body, &p); err != nil {
		return nil, "", fmt.Errorf("%w: the listing is not valid XML", store.ErrUnreachable)
	}
	for _, b := range p.Blobs.Blob {
		if b.Properties.ResourceType == "directory" { // of an account with directories
			continue
		}
		name := b.Name.Text
		if b.Name.Encoded {
			if name, err = url.PathUnescape(name); err != nil {
				return nil, "", fmt.Errorf("%w: the listing has a name that is not encoded as it says",
					store.ErrUnreachable)
			}
		}
		modified, _ := http.ParseTime(b.Properties.LastModified)
		e := store.Entry{Name: container + name + query, Info: store.Info{Size: b.Properties.Size, ModTime: modified}}
		if tag := strings.Trim(b.Properties.ETag, `"`); tag != "" { // listings have it without quotation marks
			e.Version = store.Version(`"` + tag + `"`)
		}
		blobs = append(blobs, e)
	}
	return blobs, p.NextMarker, nil
}
