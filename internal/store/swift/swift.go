// Package swift is the store of OpenStack Swift. Names are swift://CONTAINER/OBJECT; the account is that of the user whom
// the environment describes by OS_* or ST_*, as for OpenStack's own tools. Only logging in is done by another library.
package swift

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// Service finds objects in Swift. It is safe for concurrent use.
type Service struct{ login *login }

var _ remote.Lister = (*Service)(nil)

// New returns the service of the account that getenv describes. It does not log in.
func New(getenv func(string) string) *Service { return &Service{newLogin(getenv)} }

var errName = fmt.Errorf("%w: want swift://CONTAINER/OBJECT", store.ErrName)

// split returns the container and the object of a name. A prefix to list may have no object.
func split(name string) (container, object string, err error) {
	rest, ok := strings.CutPrefix(name, "swift://")
	container, object, _ = strings.Cut(rest, "/")
	if !ok || container == "" || container == "." || container == ".." || strings.ContainsRune(rest, 0) {
		return "", "", errName
	}
	return container, object, nil
}

// Locate implements [remote.Service]. It logs in if that has not been done.
func (s *Service) Locate(ctx context.Context, name string) (*remote.Place, error) {
	container, object, err := split(name)
	if err != nil {
		return nil, err
	}
	if object == "" {
		return nil, errName
	}
	return s.place(ctx, container, object)
}

// place returns where an object is, or a container if object is "".
func (s *Service) place(ctx context.Context, container, object string) (*remote.Place, error) {
	token, err := s.login.tokens.Get(ctx)
	if err != nil {
		return nil, err
	}
	u, ok := remote.ParseEndpoint(token.Store)
	if !ok {
		return nil, fmt.Errorf("the storage URL of the account is %w", store.ErrName)
	}
	u = u.JoinPath() // without this, a URL without a path would have no slash
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/") + "/" + remote.EscapePath(container)
	if object != "" {
		u.RawPath += "/" + remote.EscapePath(object)
	}
	u.Path, _ = url.PathUnescape(u.RawPath) // what is escaped here can be read again
	return &remote.Place{URL: u, Sign: s.login.sign, Renew: s.login.renew, Pin: pin, Fault: fault}, nil
}

// pin returns the version of an answer. The ETag is the MD5 of an object; of a large object, it is that of the ETags of its
// segments, and has quotes.
func pin(h http.Header) remote.Pin {
	p := remote.ETagPin(h)
	p.WriteID = h.Get(writeIDHeader)
	if h.Get("X-Object-Manifest") != "" {
		// Asked for by If-Match, an object that consists of all those with a prefix is answered with the type text/html
		// (findings/swift-dlo-if-match.sh), as by a proxy with a page of its own.
		p.Header = nil
	}
	return p
}

// fault explains the errors that only Swift has.
func fault(status int, _ http.Header, body []byte) remote.Fault {
	switch status {
	case http.StatusUnauthorized:
		return remote.Fault{Hint: "the token is not valid there: that of OS_AUTH_TOKEN may have expired; " +
			"without one, only public containers can be read"}
	case http.StatusNotFound:
		return remote.Fault{Unsure: true} // findings/swift-not-found-while-overwritten.sh
	case http.StatusBadRequest:
		if strings.Contains(string(body), "404 Not Found") {
			return remote.Fault{Code: "a segment is missing", Err: remote.ErrNoUpload}
		}
	case http.StatusUnprocessableEntity:
		return remote.Fault{Code: "another checksum", Retry: true}
	case http.StatusRequestEntityTooLarge:
		return remote.Fault{Code: "the quota is used up", Err: syscall.EDQUOT}
	case http.StatusConflict:
		// Segments are objects that can be overwritten. The manifest, and so the ETag, is what it was.
		return remote.Fault{Code: "a segment of a large object is not what its manifest says", Err: store.ErrChanged}
	case 498:
		return remote.Fault{Code: "rate limit", Retry: true}
	}
	return remote.Fault{}
}

// pageSize is the most entries that Swift lists at a time.
const pageSize = 10_000

// List implements [remote.Lister].
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return remote.List(ctx, do, func() (*remote.Listing, error) {
		container, objects, err := split(prefix)
		if err != nil {
			return nil, err
		}
		return &remote.Listing{Root: "swift://" + container + "/", Prefix: objects, Read: readPage,
			Place: func(marker string) (*remote.Place, error) {
				p, err := s.place(ctx, container, "")
				if err == nil {
					p.URL.RawQuery = listing(objects, marker)
				}
				return p, err
			}}, nil
	})
}

// listing returns the query of a page of a container's objects.
func listing(prefix, marker string) string {
	return remote.Query(map[string]string{"format": "json", "limit": fmt.Sprint(pageSize), "prefix": prefix,
		"marker": marker})
}

// readPage reads a page for [remote.Listing]. The marker of the next page is the last name of this one, although it may
// not be full: proxies and older servers send such pages, too, while there are more. The last page is empty. The digest
// in a listing is not always the ETag, so that there is no version.
func readPage(body []byte) (objects []store.Entry, next string, err error) {
	objects, next, err = readDigests(body)
	for i := range objects {
		objects[i].Version = ""
	}
	return objects, next, err
}

// readDigests is readPage with the digests as versions. Those of plain objects are their MD5.
func readDigests(body []byte) (objects []store.Entry, next string, err error) {
	var page []struct {
		Name     string
		Hash     string
		Bytes    int64  // 0 of an object that consists of all objects with a prefix
		Modified string `json:"last_modified"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, "", err
	}
	for _, o := range page {
		modified, _ := time.Parse("2006-01-02T15:04:05", o.Modified)
		objects = append(objects, store.Entry{Name: o.Name, Info: store.Info{Size: o.Bytes, ModTime: modified,
			Version: store.Version(o.Hash)}})
		next = o.Name
	}
	return objects, next, nil
}
