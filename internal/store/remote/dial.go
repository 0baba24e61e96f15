package remote

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// errLinkLocal is the error of a redirect to an address such as that of the metadata service of a cloud.
var errLinkLocal = errors.New("a redirect to a link-local address is not followed")

// errNotASCII is the error of a redirect to a host that the transport would call by another name than the one that is
// written, such as an address in full-width digits.
var errNotASCII = errors.New("a redirect to a host that is not written in ASCII is not followed")

// redirected is the key of a request's context for the host to which the server has redirected it.
type redirected struct{}

// forRedirect returns the context of a request that the server has redirected. Its connection may not go to a link-local
// address. Through a proxy only the address that is written in the URL is known.
func forRedirect(ctx context.Context, u *url.URL) (context.Context, error) {
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && isLinkLocal(ip) {
		return nil, errLinkLocal
	}
	if strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r > '~' }) {
		return nil, errNotASCII
	}
	return context.WithValue(ctx, redirected{}, u.Hostname()), nil
}

// dial opens a connection for a request. What forRedirect forbids holds for the host of the URL, not for a proxy.
func (o *Options) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if to, ok := ctx.Value(redirected{}).(string); err == nil && ok && to != host {
		ctx = context.WithValue(ctx, redirected{}, nil)
	}
	return o.Dial(ctx, network, address)
}

// control checks the address of a connection before it is opened, when the name has been resolved.
func control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	if _, ok := ctx.Value(redirected{}).(string); !ok {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err != nil || isLinkLocal(ip) {
		return errLinkLocal
	}
	return nil
}

// isLinkLocal reports whether an address means another machine wherever it is used, or is the metadata service of a cloud
// that has one elsewhere: of Amazon and Google by IPv6, of Alibaba, Azure and Oracle.
func isLinkLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	switch ip.String() {
	case "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192":
		return true
	}
	return ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast()
}
