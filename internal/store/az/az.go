// Package az finds shards in Azure Blob Storage, for package remote.
//
// A name is az://CONTAINER/BLOB, in the account that the environment names, or
// az://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB, where the blob is any bytes but ?, each of them literal. After a ? may
// come a shared access signature. Account, endpoint, keys and signatures are read from the variables of Azure's own tools;
// other credentials are found by Azure's library. Requests are signed here, and sent and verified by package remote. Each
// request after the first has If-Match with the ETag of the blob.
package az

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/bearer"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// scheme is the scheme of names.
const scheme = "az"

// apiVersion is the version of the API. It is the oldest one in which listings can have names that XML cannot.
const apiVersion = "2021-12-02"

var errName = fmt.Errorf("%w: want az://CONTAINER/BLOB or az://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB, "+
	"and of a container a-z, 0-9 and -", store.ErrName)

// Service finds blobs of Azure. The zero value is usable; it reads the configuration when it is first used. It must not be
// copied after that.
type Service struct {
	// Getenv returns a variable of the environment. Nil means that there are none. Azure's library, which finds the
	// credentials besides keys and signatures, reads the environment by itself.
	Getenv func(name string) string

	once   sync.Once
	set    *settings
	err    error
	tokens *bearer.Cache // which are good for all accounts
}

var _ remote.Lister = (*Service)(nil)

// blobName is a name in its parts.
type blobName struct {
	account   string // "" for that of the environment
	host      string // of the account; "" for that of the environment
	container string
	blob      string // may be empty
	signature string // a shared access signature; "" for none
}

// suffixes are the ends of the hosts of accounts, in all of Azure's clouds. A token may be sent to no other host that a
// name has.
var suffixes = [...]string{".blob.core.windows.net", ".blob.core.chinacloudapi.cn", ".blob.core.usgovcloudapi.net",
	".blob.storage.azure.net"}

// split returns the parts of a name.
func split(name string) (blobName, error) {
	rest, ok := strings.CutPrefix(name, scheme+"://")
	if !ok {
		scheme, _ := store.Split(name)
		return blobName{}, &store.SchemeError{Scheme: scheme}
	}
	var n blobName
	rest, n.signature, ok = strings.Cut(rest, "?")
	if ok && !isSignature(n.signature) {
		return blobName{}, fmt.Errorf("%w: after a ? comes a shared access signature, and this is none "+
			"(in a pattern, [!/] stands for one character)", store.ErrName)
	}
	n.container, n.blob, _ = strings.Cut(rest, "/")
	if strings.ContainsAny(n.container, ".@") {
		n.host, rest = n.container, n.blob
		for _, suffix := range suffixes {
			if account, ok := strings.CutSuffix(n.host, suffix); ok && isHost(account) {
				n.account, _, _ = strings.Cut(account, ".") // ACCOUNT.z01.blob.storage.azure.net
			}
		}
		if n.account == "" {
			return blobName{}, errName
		}
		n.container, n.blob, _ = strings.Cut(rest, "/")
	}
	if !isContainer(n.container) {
		return blobName{}, errName
	}
	return n, nil
}

// isContainer reports whether a name can be that of a container, such as $root.
func isContainer(name string) bool {
	name = strings.TrimPrefix(name, "$")
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isHost reports whether a text can be the beginning of a host name.
func isHost(text string) bool {
	return text != "" && text[0] != '.' && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// Locate implements [remote.Service].
func (s *Service) Locate(_ context.Context, name string) (*remote.Place, error) {
	n, err := split(name)
	if err != nil {
		return nil, err
	}
	if n.blob == "" {
		return nil, errName
	}
	a, err := s.account(n)
	if err != nil {
		return nil, err
	}
	p := s.place(a, "/"+n.container+"/"+n.blob)
	p.Pin = pin
	return p, nil
}

// place returns where a path below an account is.
func (s *Service) place(a account, path string) *remote.Place {
	u := *a.endpoint
	u.Path += path
	u.RawPath = escape(u.Path)
	p := &remote.Place{URL: &u, Header: http.Header{"X-Ms-Version": {apiVersion}}}
	p.Fault = func(status int, header http.Header, body []byte) remote.Fault {
		return fault(a, status, header)
	}
	switch {
	case a.signature != "":
		p.Sign = func(_ context.Context, r *http.Request) error {
			if r.URL.RawQuery != "" {
				r.URL.RawQuery += "&"
			}
			r.URL.RawQuery += a.signature
			return nil
		}
	case a.key != nil:
		p.Sign = func(_ context.Context, r *http.Request) error { return sign(r, a.name, a.key) }
	case a.tokens != nil:
		p.Sign, p.Renew = a.tokens.Sign, a.tokens.Renew
	}
	return p
}

// escape returns a path as signatures of Azure want it, which has $ literally.
func escape(path string) string { return strings.ReplaceAll(remote.EscapePath(path), "%24", "$") }

// pin returns what an answer says of the version: the ETag, of which Azure gives each write another one. Blobs are answered
// as they are stored, whatever encoding they were stored with.
func pin(answer http.Header) remote.Pin {
	p := remote.ETagPin(answer)
	p.WriteID = answer.Get(writeIDHeader)
	p.Encoding = strings.ToLower(answer.Get("Content-Encoding"))
	return p
}
