package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/internal/testing/relay"
)

// The network between client and server that most measures of remote shards have.
const (
	roundTrip = 20 * time.Millisecond
	lineRate  = 125e6 // bytes a second
	connRate  = 40e6
)

// A network is a web server with the bench's directory, and the way to it.
type network struct {
	web   *webServer
	relay *relay.Relay // nil if clients connect to the server itself
	addr  string       // host and port for clients
}

// slowNetwork starts a server behind a relay; both end with the plan.
func (b *bench) slowNetwork(ctx context.Context, p *plan) (*network, error) {
	n, err := b.fastNetwork(ctx, p)
	if err != nil {
		return nil, err
	}
	n.relay, err = relay.Listen(n.web.addr, relay.Options{RTT: roundTrip, Line: lineRate, Conn: connRate})
	if err != nil {
		return nil, err
	}
	p.later(n.relay.Close)
	n.addr = n.relay.Addr()
	return n, nil
}

// fastNetwork starts a server, which ends with the plan.
func (b *bench) fastNetwork(ctx context.Context, p *plan) (*network, error) {
	web, err := b.serveWeb(ctx)
	if err != nil {
		return nil, err
	}
	p.later(web.close)
	return &network{web: web, addr: web.addr}, nil
}

// url returns the URL of a file in the bench's directory.
func (n *network) url(file string) string { return "http://" + n.addr + "/" + file }

// shown replaces the port in a text for the report, because each run has another one.
func (n *network) shown(text string) string { return strings.ReplaceAll(text, n.addr, "SERVER") }

// settled waits until nothing is sent any more, and returns the traffic since the last call.
func (n *network) settled(ctx context.Context) (traffic, error) {
	if n.relay != nil {
		for before := n.relay.Counts(); ctx.Err() == nil; {
			time.Sleep(4 * roundTrip)
			now := n.relay.Counts()
			if now == before {
				break
			}
			before = now
		}
	}
	return n.web.traffic(ctx)
}

// counting adds the traffic of a trial to its figures: requests for a GB of size, and the bytes of answers for each
// byte of it.
func (n *network) counting(t *trial, size int64, requests, bytes *figure) *trial {
	t.figures = append(t.figures, requests, bytes)
	return n.watching(t, func(values []float64, got traffic) []float64 {
		return append(values, float64(got.requests)/(float64(size)/1e9), float64(got.bytes)/float64(size))
	})
}

// watching makes a trial return what with makes of its values and its traffic.
func (n *network) watching(t *trial, with func(values []float64, got traffic) []float64) *trial {
	run := t.run
	t.run = func(ctx context.Context) ([]float64, error) {
		if _, err := n.settled(ctx); err != nil {
			return nil, err
		}
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		got, err := n.settled(ctx)
		return with(values, got), err
	}
	return t
}

// rangeSize is the size of a bare client's requests.
const rangeSize = 8 << 20

// bare returns a trial of a client that only reads a shard, see bareOf.
func (n *network) bare(f *figure, s drawn, connections int) *trial {
	return n.bareOf(f, s.name, s.size(), connections)
}

// bareOf returns a trial of a client that only reads a file: as many requests at a time as connections, for ranges of
// 8 MiB in order, or for the whole file if there is one connection.
func (n *network) bareOf(f *figure, file string, size int64, connections int) *trial {
	command := fmt.Sprintf("# net/http: %d connections, ranges of 8 MiB of %s", connections, n.url(file))
	if connections == 1 {
		command = "# net/http: one request for " + n.url(file)
	}
	return measured(f, n.shown(command), func(ctx context.Context) (float64, error) {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: connections}}
		defer client.CloseIdleConnections()
		part := int64(rangeSize)
		if connections == 1 {
			part = size
		}
		var next atomic.Int64
		var all sync.WaitGroup
		errs := make([]error, connections)
		start := time.Now()
		for i := range connections {
			all.Go(func() {
				buf := make([]byte, 256<<10)
				for off := next.Add(part) - part; off < size && errs[i] == nil; off = next.Add(part) - part {
					errs[i] = getRange(ctx, client, n.url(file), off, min(off+part, size), buf)
				}
			})
		}
		all.Wait()
		return time.Since(start).Seconds(), errors.Join(errs...)
	})
}

// getRange reads a range of an object, through buf.
func getRange(ctx context.Context, client *http.Client, url string, off, end int64, buf []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, end-1))
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusPartialContent {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, answer.Body, buf)
	if err == nil && got != end-off {
		err = fmt.Errorf("%s: %d bytes of %d", url, got, end-off)
	}
	return err
}

// forget removes the cached index files, so that a shard is as new.
func (b *bench) forget() error { return os.RemoveAll(b.shared("cache/shardfs")) }
