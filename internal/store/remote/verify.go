package remote

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
)

// headSize is the length of the first request for an object. An object of at most that size is also read from a server
// without ranges.
const headSize = 1 << 20

// version is what answers tell of an object, all of which must tell the same.
type version struct {
	size     int64
	pin      Pin
	encoding string // with which the object was stored
	html     bool
	sum      *uint32 // CRC-32C of the whole object, if an answer has told it
}

// tag returns the version as others see it: printable, and short. The empty one is unknown.
func (v *version) tag() store.Version {
	tag := string(v.told())
	if len(tag) > 256 {
		sum := sha256.Sum256([]byte(tag))
		tag = fmt.Sprintf("sha256:%x", sum)
	}
	for _, r := range tag {
		if r < ' ' || r > '~' {
			return store.Version(strconv.QuoteToASCII(tag))
		}
	}
	return store.Version(tag)
}

// told returns what the server tells of the version.
func (v *version) told() store.Version {
	switch {
	case v.pin.Strong:
		return v.pin.Version
	case v.pin.ModTime.IsZero() && v.pin.Version == "":
		return ""
	case v.pin.ModTime.IsZero():
		return store.Version(fmt.Sprintf("%s size=%d", v.pin.Version, v.size))
	}
	return store.Version(fmt.Sprintf("%s size=%d modified=%d", v.pin.Version, v.size, v.pin.ModTime.UnixNano()))
}

// part is the part of an object that the body of an answer holds.
type part struct {
	version *version
	size    int64 // of the whole object
	skip    int64 // bytes at the beginning of the body that were not asked for
	n       int64 // bytes that were asked for
}

// errPlain is the failure of a range at the beginning of an object that is probably empty, so that the object has to be
// asked for without a range.
var errPlain = errors.New("a range of an object that may be empty")

// verify compares an answer with the request for n bytes at off of a version, which is nil if not known yet.
func verify(a *answer, off, n int64, want *version) (part, error) {
	v := &version{encoding: encoding(a.Header), html: isHTML(a.Header)}
	if a.hop.place.Pin != nil {
		v.pin = a.hop.place.Pin(a.Header)
	}
	if sum, ok := wholeSum(a.Header); ok {
		v.sum = &sum
	}
	if v.encoding != "" && (v.encoding != v.pin.Encoding || a.StatusCode == http.StatusOK) {
		return part{}, wrong(a, "the answer is encoded as %s", plain(v.encoding))
	}
	var p part
	var err error
	switch a.StatusCode {
	case http.StatusPartialContent:
		p, err = verifyRange(a, off, n, want)
	case http.StatusOK:
		p, err = verifyWhole(a, off, n, want)
	default:
		p, err = verifyEnd(a, off, want)
	}
	if err != nil {
		return part{}, err
	}
	if known := a.hop.place.Size; known > 0 && p.size != known {
		return part{}, wrong(a, "the server answers with an object of %d bytes, not %d", p.size, known)
	}
	v.size = p.size
	p.version = v
	if want != nil {
		err = compare(a, want, v)
	}
	return p, err
}

// verifyRange verifies an answer with a range.
func verifyRange(a *answer, off, n int64, want *version) (part, error) {
	text := a.Header.Get("Content-Range")
	first, last, total, ok := parseRange(text)
	if !ok && want == nil && off == 0 && a.ContentLength == 0 { // Azurite answers bytes 0--1/0
		return part{}, errPlain
	}
	if !ok || len(a.Header.Values("Content-Range")) != 1 {
		return part{}, wrong(a, "an answer with a part of the object, but with the range %q", plain(text))
	}
	if total < 0 {
		if want == nil {
			return part{}, noRanges(a.host.name, "the server does not tell the size of the object")
		}
		total = want.size
	}
	end := min(off+n, total)
	if first != off || last != end-1 {
		if want != nil && total != want.size && first == off { // not at the end any more
			return part{size: total, n: n}, nil
		}
		return part{}, wrong(a, "the server answers bytes %d-%d/%d for %d-%d", first, last, total, off, off+n-1)
	}
	if a.ContentLength >= 0 && a.ContentLength != end-off {
		return part{}, wrong(a, "short body: %d of %d bytes", a.ContentLength, end-off)
	}
	return part{size: total, n: end - off}, nil
}

// verifyWhole verifies an answer with the whole object.
func verifyWhole(a *answer, off, n int64, want *version) (part, error) {
	switch {
	case isHTML(a.Header):
		return part{}, wrong(a, "the server answers with a page of HTML")
	case want != nil && want.size > headSize:
		return part{}, wrong(a, "the server answers with the whole object for a range")
	case a.ContentLength < 0 || a.ContentLength > headSize:
		return part{}, noRanges(a.host.name, "the server does not support ranges")
	}
	p := part{size: a.ContentLength, skip: off, n: min(n, a.ContentLength-off)}
	if want != nil && want.size != a.ContentLength {
		p.n = n // compare finds the difference
	} else if p.n < 0 {
		return part{}, wrong(a, "the server answers with an object of %d bytes for byte %d", a.ContentLength, off)
	}
	return p, nil
}

// verifyEnd verifies an answer that there is no such range. Only an empty object has none that begins at 0.
func verifyEnd(a *answer, off int64, want *version) (part, error) {
	text := a.Header.Get("Content-Range")
	size, err := strconv.ParseInt(strings.TrimPrefix(text, "bytes */"), 10, 64)
	known := err == nil && strings.HasPrefix(text, "bytes */") && size >= 0
	switch {
	case want != nil && known && size != want.size:
		return part{size: size}, nil
	case want == nil && off == 0 && (!known || size == 0) && a.Request.Header.Get("Range") != "":
		return part{}, errPlain
	}
	return part{}, wrong(a, "416 %s", http.StatusText(a.StatusCode))
}

// compare returns an error if an answer is of another version than the one that was opened.
func compare(a *answer, want, got *version) error {
	if want.pin.Version != "" && got.pin.Version == "" {
		return wrong(a, "an answer that does not tell the version")
	}
	if err := differs(want, got); err != nil {
		if want.pin.Strong && want.pin.Version == got.pin.Version {
			f := wrong(a, "%v", err) // either the version says nothing, or the size is wrong
			f.kind = err
			return f
		}
		return err
	}
	if want.encoding != got.encoding {
		return wrong(a, "the answer is encoded as %q", plain(got.encoding))
	}
	if got.html && !want.html {
		return wrong(a, "the server answers with a page of HTML")
	}
	return nil
}

// differs returns an ErrChanged if two versions are not the same.
func differs(was, now *version) error {
	text := ""
	switch {
	case was.pin.Version != now.pin.Version && was.pin.Version != "":
		word := "version"
		if was.pin.Header.Get("If-Match") != "" {
			word = "etag"
		}
		text = fmt.Sprintf("%s %s -> %s", word, plain(string(was.pin.Version)), plain(string(now.pin.Version)))
	case was.size != now.size:
		text = fmt.Sprintf("%d -> %d bytes", was.size, now.size)
	case !was.pin.Strong && !was.pin.ModTime.Equal(now.pin.ModTime):
		text = fmt.Sprintf("modified %v -> %v", was.pin.ModTime.UTC(), now.pin.ModTime.UTC())
	default:
		return nil
	}
	return &changedError{"overwritten while in use (" + text + ")"}
}

// sizeBits is how many bits the size of an object has at most: with an EiB or more, sums of offsets would overflow.
const sizeBits = 60

// parseRange parses a Content-Range with a range. An unknown total is -1.
func parseRange(text string) (first, last, total int64, ok bool) {
	span, all, found := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	a, b, also := strings.Cut(span, "-")
	if !strings.HasPrefix(text, "bytes ") || !found || !also {
		return 0, 0, 0, false
	}
	number := func(s string) int64 {
		n, err := strconv.ParseUint(s, 10, sizeBits)
		if err != nil {
			ok = false
		}
		return int64(n)
	}
	ok, total = true, -1
	if first, last = number(a), number(b); all != "*" {
		total = number(all)
	}
	return first, last, total, ok && first <= last && (total < 0 || last < total)
}

// encoding returns the encoding of an answer, or "" for none.
func encoding(h http.Header) string {
	e := strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding")))
	if e == "identity" {
		return ""
	}
	return e
}

func isHTML(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "text/html" || kind == "application/xhtml+xml")
}
