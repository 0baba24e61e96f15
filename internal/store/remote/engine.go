package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/internal/store/ahead"
)

// Options configures NewEngine. The zero value suits real networks.
type Options struct {
	// Budget is how long a range is tried for again while nothing of it comes; 0 means 5 minutes. FirstBudget is the same
	// of a host that has never answered this engine, as one of a wrong name does not; 0 means 10 seconds.
	Budget, FirstBudget time.Duration

	// FirstPause is the longest pause after the first try, and is doubled after each further one up to MostPause; 0 means
	// 0.2 and 20 seconds. Pauses are random, but tries begin at least Pace apart; 0 means 0.1 seconds.
	FirstPause, MostPause, Pace time.Duration

	// Stall is the least silence of a server after which a second connection is tried; 0 means 2 seconds. It grows with
	// what is usual of the host. A request ends after the Silence; 0 means 30 seconds.
	Stall, Silence time.Duration

	// Ending is how long a writer that gives up waits for requests on their way, and for the removal of what it has sent;
	// 0 means 10 seconds.
	Ending time.Duration

	// Connections is the most requests at a time to one host; 0 means 64.
	Connections int

	// Cache keeps bytes of objects, and fetches them ahead; nil means one of the default size.
	Cache *ahead.Cache

	// Detail is called with what is waited for, and Warn with what cannot be promised and with waits of many seconds, by
	// several goroutines at a time. The texts have hosts, but no other part of a name. Nil drops them.
	Detail, Warn func(text string)

	// Dial opens connections, and TLS configures them; nil means with the system's resolver and certificates.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	TLS  *tls.Config
}

// Stats counts what an engine has done.
type Stats struct {
	Requests int64 // that were sent, redirects and hedges included
	Bytes    int64 // of the bodies of accepted answers
	Sent     int64 // of the bodies of requests that write
	Copied   int64 // by stores, from one of their objects to another
	Retries  int64 // tries after the first
	Hedges   int64 // requests on a second connection, because the first was silent
}

// Engine sends requests and verifies the answers. It is safe for concurrent use. One engine should serve all stores of
// a process, because it limits the requests to each host.
type Engine struct {
	o         Options
	transport *http.Transport
	memory    *memory // of writers

	requests, bytes, sent, copied, retries, hedges atomic.Int64

	mu    sync.Mutex
	hosts map[string]*host // by scheme and host of the URL
}

// NewEngine returns an engine. It opens no connections.
func NewEngine(o Options) *Engine {
	for _, d := range []struct {
		value   *time.Duration
		without time.Duration
	}{
		{&o.Budget, 5 * time.Minute}, {&o.FirstBudget, 10 * time.Second},
		{&o.FirstPause, 200 * time.Millisecond}, {&o.MostPause, 20 * time.Second}, {&o.Pace, 100 * time.Millisecond},
		{&o.Stall, 2 * time.Second}, {&o.Silence, 30 * time.Second}, {&o.Ending, 10 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.without
		}
	}
	if o.Connections <= 0 {
		o.Connections = 64
	}
	if o.Cache == nil {
		o.Cache = ahead.NewCache(ahead.Options{})
	}
	if o.Detail == nil {
		o.Detail = func(string) {}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Dial == nil {
		d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second, ControlContext: control}
		o.Dial = d.DialContext
	}
	return &Engine{o: o, transport: newTransport(o), memory: newMemory(), hosts: make(map[string]*host)}
}

// newTransport returns what sends the requests of an engine. It speaks HTTP/1.1 only: HTTP/2 sends all requests to a host
// over one connection, and stores and networks limit the rate of each connection.
func newTransport(o Options) *http.Transport {
	t := &http.Transport{
		Proxy:                  proxy,
		DialContext:            o.dial,
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    10 * time.Second,
		DisableCompression:     true, // ranges are of the bytes as they are stored
		MaxIdleConns:           4 * o.Connections,
		MaxIdleConnsPerHost:    o.Connections,
		IdleConnTimeout:        time.Minute,
		ExpectContinueTimeout:  2 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         64 << 10,
		WriteBufferSize:        64 << 10,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

// proxy returns the proxy for a request, as the environment has it. Its error does not contain the proxy's URL, which may
// have a password.
func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errors.New("the proxy in the environment is not a URL")
	}
	return u, nil
}

// Stats returns what the engine has done so far.
func (e *Engine) Stats() Stats {
	return Stats{Requests: e.requests.Load(), Bytes: e.bytes.Load(), Sent: e.sent.Load(), Retries: e.retries.Load(),
		Copied: e.copied.Load(), Hedges: e.hedges.Load()}
}

// Close closes the connections that are not in use.
func (e *Engine) Close() { e.transport.CloseIdleConnections() }

// hostKey tells hosts apart.
func hostKey(u *url.URL) string { return u.Scheme + "://" + u.Host }

// host returns what is known of the host of a URL.
func (e *Engine) host(u *url.URL) *host {
	key := hostKey(u)
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.hosts[key]
	if h == nil {
		h = newHost(u.Hostname(), e.o.Connections, func() { e.o.Cache.BackOff(key) })
		e.hosts[key] = h
	}
	return h
}

// waiting calls f, and tells the user what it waits for: those who ask for details after a second, and all after the
// patience.
func (e *Engine) waiting(what string, f func() error) error {
	soon := time.AfterFunc(time.Second, func() { e.o.Detail("waiting for " + what) })
	defer soon.Stop()
	late := time.AfterFunc(patience, func() { e.o.Warn("still waiting for " + what) })
	defer late.Stop()
	return f()
}
