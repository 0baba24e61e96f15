package az

import (
	"context"
	"encoding/xml"
	"errors"
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

// List implements [remote.Lister]. A signature is a part of the prefix, and of all names.
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return remote.List(ctx, do, func() (*remote.Listing, error) {
		n, err := split(prefix)
		if err != nil {
			return nil, err
		}
		a, err := s.account(n)
		if err != nil {
			return nil, err
		}
		begin, _, signed := strings.Cut(prefix, "?")
		l := &remote.Listing{Root: strings.TrimSuffix(begin, n.blob), Prefix: n.blob, Read: readPage,
			Place: func(marker string) (*remote.Place, error) {
				p := s.place(a, "/"+n.container)
				p.URL.RawQuery = remote.Query(map[string]string{"restype": "container", "comp": "list",
					"prefix": n.blob, "marker": marker})
				return p, nil
			}}
		if signed {
			l.Tail = "?" + n.signature
		}
		return l, nil
	})
}

// readPage reads a page for [remote.Listing].
func readPage(body []byte) (blobs []store.Entry, next string, err error) {
	var p page
	if err := xml.Unmarshal(body, &p); err != nil {
		return nil, "", err
	}
	for _, b := range p.Blobs.Blob {
		if b.Properties.ResourceType == "directory" { // of an account with directories
			continue
		}
		name := b.Name.Text
		if b.Name.Encoded {
			if name, err = url.PathUnescape(name); err != nil {
				return nil, "", errors.New("a name that is not encoded as it says")
			}
		}
		modified, _ := http.ParseTime(b.Properties.LastModified)
		e := store.Entry{Name: name, Info: store.Info{Size: b.Properties.Size, ModTime: modified}}
		if tag := strings.Trim(b.Properties.ETag, `"`); tag != "" { // listings have it without quotation marks
			e.Version = store.Version(`"` + tag + `"`)
		}
		blobs = append(blobs, e)
	}
	return blobs, p.NextMarker, nil
}
