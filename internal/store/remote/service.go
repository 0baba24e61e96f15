// Package remote reads objects of web servers and object stores. One engine serves all of them: it asks for ranges,
// compares each answer with what was asked for before it hands on a byte, and tries again where that can help. What
// differs between stores is a [Service]: where an object is, how requests for it are signed, and which header tells its
// version. Every other rule is the engine's, so that a service cannot forget one.
package remote

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// Service is one kind of store. It is safe for concurrent use. It sends no requests for objects itself.
type Service interface {
	// Locate returns where the object of a name is. It may wait for credentials. It does not find out whether the
	// object exists.
	Locate(ctx context.Context, name string) (*Place, error)
}

// Lister is a [Service] whose objects can be listed.
type Lister interface {
	Service

	// List yields the objects whose names begin with prefix, sorted by the bytes of their names. It asks for pages with
	// do, which signs, follows redirects and tries again as for objects. An error ends the sequence.
	List(ctx context.Context, prefix string, do Do) iter.Seq2[store.Entry, error]
}

// Do sends a GET request and returns its whole answer, of at most 16 MiB, if the status is 200. The engine's method Do is
// one: a service whose Locate has to ask something first, such as for the commit of a branch, is made with it.
type Do func(ctx context.Context, p *Place) (header http.Header, body []byte, err error)

// Place is where an object is. Its functions are safe for concurrent use; all but Pin may be nil.
type Place struct {
	URL    *url.URL    // of GET requests
	Header http.Header // of all requests, such as the version of an API
	Body   []byte      // of a GET request by Do, as some listings want it; nil for none

	Size int64 // of the object, if the service knows it from an earlier answer; 0 if not

	// Sign adds credentials to a request, as its last change: it may cover the URL and all headers. It is called for
	// each try anew.
	Sign func(ctx context.Context, r *http.Request) error

	// SignsFor reports whether a request that the server has redirected may be signed, too. The engine never signs one
	// for another scheme. Nil means only for the same host.
	SignsFor func(u *url.URL) bool

	// Renew is called after an answer that the credentials of a request, as Sign has left it, are wrong or have expired.
	// It drops what is cached of them, unless they have been renewed since, and reports whether to try once more.
	Renew func(ctx context.Context, refused *http.Request) bool

	// Pin returns the version of the object from the header of an answer, and how to ask for that version only.
	Pin func(answer http.Header) Pin

	// Fault explains an answer that is an error by the service's own words in its body, of which it gets the first 64 KiB.
	Fault func(status int, header http.Header, body []byte) Fault

	// Moved returns where the object is instead, from an answer that is an error or a redirect, such as that of another
	// region or a redirect to a signed URL; nil if the answer does not say so. The engine sends all further requests for
	// the object there, and asks for the version by the other Place's Pin. When it is refused there (401, 403, 404, 410)
	// after an answer from there was accepted, it begins again with the Place that it has from Locate, once.
	Moved func(status int, header http.Header, body []byte) *Place
}

// Pin is a version of an object.
type Pin struct {
	// Version distinguishes the version, if Strong, or is as much as the server tells. The empty Version means that it
	// tells nothing. Answers with different ones are of different versions.
	Version store.Version
	Strong  bool // objects with the same Version have the same bytes, as the server claims
	ModTime time.Time

	// WriteID is the id with which the object was written, as its metadata has it; "" if it has none. See [Uploader].
	WriteID string

	Header http.Header // conditions of requests for this version only, such as If-Match; nil for none
	Query  url.Values  // added to their URL, such as a generation

	// Encoding is the Content-Encoding with which the object is stored, where the store never unpacks or packs it on the
	// way: ranges are then of the stored bytes, and an answer may have this encoding, but no other. "" if there is none.
	Encoding string
}

// Fault is what a service says of an error.
type Fault struct {
	Code  string // for messages, such as NoSuchKey; "" if unknown
	Err   error  // what it means, such as fs.ErrNotExist; nil if the status says it
	Retry bool   // another try may help although the status does not say so

	// Unsure says that an object that is there may be answered with this 404, too, while it is overwritten. Whether it is
	// there is then asked once more.
	Unsure bool

	Hint string // what the user can do, for a line of its own; "" if nothing is known

	After time.Duration // at least how long to wait before it, where no Retry-After tells; 0 if unknown
}
