package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// fault returns what an answer with an error means.
func (t *target) fault(a *answer, body []byte, pin Pin) error {
	f := &failure{host: a.host.name, kind: store.ErrUnreachable, again: never, place: a.hop.place, asked: a.Request}
	var said Fault
	if a.hop.place.Fault != nil {
		said = a.hop.place.Fault(a.StatusCode, a.Header, body)
	}
	switch a.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		f.kind = fs.ErrPermission
	case http.StatusProxyAuthRequired:
		f.kind, f.hint = fs.ErrPermission, "HTTPS_PROXY and HTTP_PROXY name the proxy: http://USER:PASSWORD@HOST:PORT"
	case http.StatusNotFound, http.StatusGone:
		f.kind = fs.ErrNotExist
	case http.StatusPreconditionFailed, http.StatusNotModified:
		switch {
		case t.call != nil:
			f.kind = ErrCondition
		case len(pin.Header)+len(pin.Query) > 0:
			f.kind = errPinned
		}
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestURITooLong,
		http.StatusRequestHeaderFieldsTooLarge:
		if t.call == nil && len(pin.Header)+len(pin.Query) == 0 { // else one for the same name was answered before
			f.kind, f.hint = store.ErrName, "the server has no answer for such a name, however often it is asked"
		}
	case http.StatusInsufficientStorage:
		f.kind = syscall.ENOSPC
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		f.again = often
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
	default:
		if a.StatusCode >= 500 {
			f.again = often
		}
	}
	if said.Err != nil {
		f.kind, f.again = said.Err, never
	}
	f.doubt = said.Unsure
	if said.Retry {
		f.again = often
	}
	if f.again == often {
		if f.after = retryAfter(a.Header, time.Now()); f.after == 0 {
			f.after = said.After
		}
	}
	if a.StatusCode == http.StatusTooManyRequests || a.StatusCode == http.StatusServiceUnavailable {
		a.host.overloaded(a.sent)
	}
	if said.Err != nil || said.Hint != "" {
		f.hint = said.Hint
	}
	f.text = fmt.Sprintf("%d %s", a.StatusCode, http.StatusText(a.StatusCode))
	if said.Code != "" {
		f.text += " (" + plain(said.Code) + ")"
	}
	return f
}

// connectionError returns what an error of the transport means. Another try gets a new connection, and asks for the
// addresses of the host anew.
func (t *target) connectionError(ctx context.Context, h *host, p *Place, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.e.transport.CloseIdleConnections()
	f := &failure{host: h.name, text: connectionText(err), kind: store.ErrUnreachable, place: p, local: true}
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		f.again, f.hint = never, "the server does not speak https there; is it http?"
	case errors.As(err, &unknown):
		f.again, f.hint = never, "SSL_CERT_FILE names a file with the certificate of an authority of one's own"
	case errors.As(err, &cert), errors.Is(err, errLinkLocal):
		f.again = never
	}
	return f
}

// connectionText returns the text of an error of a connection without the addresses, which are of no use beside the
// host.
func connectionText(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "its address cannot be found: " + plain(dns.Err)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy: " + connectionText(op.Err)
	case errors.As(err, &op) && op.Timeout():
		return "no answer to the attempt to connect"
	case errors.As(err, &op) && op.Err != nil:
		return connectionText(op.Err)
	}
	return plain(err.Error())
}

// sendable returns an error if credentials, which a user may have copied with the end of a line, cannot be sent.
func sendable(r *http.Request) error {
	bad := func(text string) bool {
		return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
	}
	const text = "a line break, or another control character, in what %s would be"
	for name, values := range r.Header {
		if slices.ContainsFunc(values, bad) {
			return fmt.Errorf(text, name)
		}
	}
	if bad(r.URL.RawQuery) {
		return fmt.Errorf(text, "the query of the URL")
	}
	return nil
}

// credentialError returns the error of a place that cannot be signed for.
func credentialError(ctx context.Context, host string, p *Place, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// The kinds of other errors, such as that of a file of credentials that is missing, would say something of the object.
	f := &failure{host: host, text: "credentials: " + err.Error(), kind: fs.ErrPermission, again: never, place: p}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		f.hint = h.Hint()
	}
	switch {
	case errors.Is(err, store.ErrUnreachable):
		f.kind, f.again, f.local = store.ErrUnreachable, often, true
	case errors.Is(err, store.ErrName):
		f.kind = errors.Join(fs.ErrPermission, store.ErrName)
	}
	return f
}
