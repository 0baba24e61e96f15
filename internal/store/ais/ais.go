// Package ais is the store of NVIDIA AIStore, by its own API. Names are ais://BUCKET/OBJECT, or
// ais://@CLUSTER#NAMESPACE/BUCKET/OBJECT, as its tools write them; a proxy of the cluster is AIS_ENDPOINT. The proxy
// redirects reads to the target that has the object. The user's token is for proxies, and is not sent on.
package ais

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/bearer"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// Service finds objects in AIStore. It is safe for concurrent use.
type Service struct {
	getenv func(string) string
	token  *bearer.Cache
}

var _ remote.Lister = (*Service)(nil)

// New returns the service of the cluster that getenv describes.
func New(getenv func(string) string) *Service {
	return &Service{getenv, bearer.New(func(context.Context) (bearer.Token, error) {
		token, err := findToken(getenv)
		return bearer.Token{Value: token}, err
	})}
}

var errName = fmt.Errorf("%w: want ais://BUCKET/OBJECT", store.ErrName)

// place is what a name stands for.
type place struct {
	root      string // the name up to the object
	namespace string // "" or @CLUSTER#NAMESPACE, of which one may be missing
	bucket    string
	object    string // or a prefix to list
}

func parse(name string) (place, error) {
	rest, ok := strings.CutPrefix(name, "ais://")
	var p place
	if strings.HasPrefix(rest, "@") || strings.HasPrefix(rest, "#") {
		p.namespace, rest, _ = strings.Cut(rest, "/")
	}
	p.bucket, p.object, _ = strings.Cut(rest, "/")
	p.root = strings.TrimSuffix(name, p.object)
	if !ok || strings.ContainsRune(name, 0) || strings.Trim(p.bucket, ".") == "" ||
		strings.ContainsAny(p.bucket, "?#@%") || strings.Contains("/"+p.object+"/", "/../") {
		return place{}, errName
	}
	return p, nil
}

// noEndpointError means that the environment names no cluster.
type noEndpointError struct{}

func (noEndpointError) Error() string { return "AIS_ENDPOINT is not set" }

func (noEndpointError) Unwrap() error { return store.ErrName }

// Hint returns what the user can do.
func (noEndpointError) Hint() string {
	return "set AIS_ENDPOINT to a proxy of the cluster, such as http://HOST:51080"
}

// url returns a URL of the proxy for a bucket or an object. The parts of the path are escaped here.
func (s *Service) url(p place, parts ...string) (*url.URL, error) {
	endpoint := s.getenv("AIS_ENDPOINT")
	if endpoint == "" {
		return nil, noEndpointError{}
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, ok := remote.ParseEndpoint(endpoint)
	if !ok {
		return nil, fmt.Errorf("AIS_ENDPOINT is %w: want the URL of a proxy", store.ErrName)
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	for _, part := range parts {
		u.RawPath += "/" + remote.EscapePath(part)
	}
	u.Path, _ = url.PathUnescape(u.RawPath) // what is escaped here can be read again
	query := url.Values{"provider": {"ais"}}
	if p.namespace != "" {
		query.Set("namespace", p.namespace)
	}
	u.RawQuery = query.Encode()
	return u, nil
}

func (s *Service) place(u *url.URL) *remote.Place {
	return &remote.Place{URL: u, Sign: s.token.Sign, Renew: s.token.Renew, Pin: pin, Fault: fault}
}

// Locate implements [remote.Service].
func (s *Service) Locate(_ context.Context, name string) (*remote.Place, error) {
	p, err := parse(name)
	if err != nil {
		return nil, err
	}
	if p.object == "" {
		return nil, errName
	}
	u, err := s.url(p, "v1", "objects", p.bucket, p.object)
	if err != nil {
		return nil, err
	}
	return s.place(u), nil
}

// pin returns the version of an answer: all that tells one. The number of a version alone proves little, because it
// begins at 1 again when an object was deleted. AIStore knows no conditions, so that each answer is compared.
func pin(h http.Header) remote.Pin {
	var parts []string
	etag, sum := h.Get("Etag"), h.Get("Ais-Checksum-Value")
	if etag != "" {
		parts = append(parts, etag)
	}
	if version := h.Get("Ais-Version"); version != "" {
		parts = append(parts, "version="+version)
	}
	if sum != "" {
		parts = append(parts, h.Get("Ais-Checksum-Type")+"="+sum)
	}
	p := remote.Pin{Version: store.Version(strings.Join(parts, " ")), Strong: etag != "" || sum != ""}
	for _, pair := range h.Values(customHeader) {
		if id, ok := strings.CutPrefix(pair, writeIDKey+"="); ok {
			p.WriteID = id
		}
	}
	return p
}

// fault explains an error by its type, which AIStore writes into the body.
func fault(status int, _ http.Header, body []byte) remote.Fault {
	var said struct{ TCode string }
	if json.Unmarshal(body, &said) != nil {
		return remote.Fault{}
	}
	f := remote.Fault{Code: said.TCode}
	if said.TCode == "ErrBckNotFound" {
		f.Err = remote.ErrNoBucket
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		f.Hint = "the token is AIS_AUTHN_TOKEN, or in AIS_AUTHN_TOKEN_FILE or ~/.config/ais/cli/auth.token"
	}
	return f
}

// List implements [remote.Lister].
func (s *Service) List(ctx context.Context, prefix string, do remote.Do) iter.Seq2[store.Entry, error] {
	return remote.List(ctx, do, func() (*remote.Listing, error) {
		p, err := parse(prefix)
		if err != nil {
			return nil, err
		}
		listing := "" // its identity, which its first page tells
		return &remote.Listing{Root: p.root, Prefix: p.object,
			Place: func(token string) (*remote.Place, error) {
				return s.page(p, message{listing, "name,size", p.object, token})
			},
			Read: func(body []byte) (objects []store.Entry, next string, err error) {
				var page page
				if err := json.Unmarshal(body, &page); err != nil {
					return nil, "", err
				}
				listing = page.UUID
				for _, e := range page.Entries {
					if e.Flags&(statusBits|isDirectory) == 0 {
						objects = append(objects, store.Entry{Name: e.Name, Info: store.Info{Size: e.Size}})
					}
				}
				return objects, page.ContinuationToken, nil
			}}, nil
	})
}

// message says what to list.
type message struct {
	UUID              string `json:"uuid"`
	Props             string `json:"props"`
	Prefix            string `json:"prefix"`
	ContinuationToken string `json:"continuation_token"`
}

// The flags of an entry.
const (
	statusBits  = 1<<5 - 1 // what is wrong with an object
	isDirectory = 1 << 8
)

// page is a page of a listing.
type page struct {
	UUID              string
	ContinuationToken string `json:"continuation_token"`
	Entries           []struct {
		Name  string
		Size  int64 `json:"size,string"`
		Flags int
	}
}

// page returns where a page is.
func (s *Service) page(p place, m message) (*remote.Place, error) {
	u, err := s.url(p, "v1", "buckets", p.bucket)
	if err != nil {
		return nil, err
	}
	at := s.place(u)
	at.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	at.Body, err = json.Marshal(map[string]any{"action": "list", "value": m})
	return at, err
}

// findToken finds the user's token as AIStore's tools do, or "" if there is none.
func findToken(getenv func(string) string) (string, error) {
	if token := strings.TrimSpace(getenv("AIS_AUTHN_TOKEN")); token != "" {
		return token, nil
	}
	path := getenv("AIS_AUTHN_TOKEN_FILE")
	named := path != ""
	if !named {
		path = filepath.Join(getenv("HOME"), ".config/ais/cli/auth.token")
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("AIS_AUTHN_TOKEN_FILE, or what ais auth login has written: %w", err)
	}
	var file struct{ Token string }
	if err := json.Unmarshal(b, &file); err != nil || file.Token == "" {
		return "", fmt.Errorf("%s has no token, as ais auth login writes it", path)
	}
	return file.Token, nil
}
