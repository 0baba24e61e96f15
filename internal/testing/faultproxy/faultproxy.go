// Package faultproxy stands between a client and a real server, and breaks chosen requests in the ways of servers, proxies
// and networks.
//
// Only tests import this package.
package faultproxy

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/whole"
)

// Fault is what happens to a request. Any other text than those below is a status and the code of an error of S3, such as
// "403 ExpiredToken", which is the answer, and the server does not get the request.
type Fault string

// Faults.
const (
	None      Fault = ""
	Error     Fault = "500"           // the answer is 500, and the server does not get the request
	Busy      Fault = "503"           // the same with 503
	TooMany   Fault = "429"           // the same with 429
	Reset     Fault = "reset"         // the connection is reset, and the server does not get the request
	Lost      Fault = "lost"          // the server gets the request, and the connection is reset instead of its answer
	LostError Fault = "lost, and 502" // the same with the answer 502
	Cut       Fault = "cut"           // the server gets the request, and its answer ends in the middle
	Stall     Fault = "stall"         // there is no answer, and the server does not get the request

	// Of a late request, the connection is reset, and the server gets the second half of the body at the next Overtake, whose
	// client gets the answer when the server has got that, too.
	Late     Fault = "late"
	Overtake Fault = "overtake"
)

// Faults returns all faults that need no others.
func Faults() []Fault { return []Fault{Error, Busy, TooMany, Reset, Lost, LostError, Cut, Stall} }

// Proxy is a running proxy. It is safe for concurrent use. A server that redirects to other ones is followed by a client
// through further proxies, whose requests count like those of the first.
type Proxy struct {
	URL string // without a slash at the end

	t     testing.TB
	ended chan struct{}

	mu      sync.Mutex // guards all below
	choose  func(number int, r *http.Request) Fault
	number  int
	late    []func() // send what is late, and wait for the answers
	left    int
	further map[string]string // URLs of proxies before servers, by these
}

// New starts a proxy before the server of a URL, which is stopped when the test ends. The host that a client names
// reaches the server, so that signatures stay valid.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, ended: make(chan struct{}), further: map[string]string{}}
	p.URL = p.before(server)
	t.Cleanup(func() { close(p.ended) })
	return p
}

// before starts a proxy before the server of a URL, unless there is one, and returns its URL.
func (p *Proxy) before(server string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.further[server] != "" {
		return p.further[server]
	}
	to, err := url.Parse(server)
	if err != nil {
		p.t.Errorf("the server of a proxy: %v", err)
		return ""
	}
	silent := log.New(io.Discard, "", 0)
	forward := &httputil.ReverseProxy{ErrorLog: silent, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}, ModifyResponse: p.follow}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, forward)
	}))
	s.Config.ErrorLog = silent
	s.Start()
	p.further[server] = s.URL
	p.t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// follow lets a redirect to another server lead to a proxy before that.
func (p *Proxy) follow(answer *http.Response) error {
	to, err := answer.Location()
	if err != nil || answer.StatusCode/100 != 3 || to.Host == answer.Request.Host {
		return nil
	}
	rest := to.RequestURI()
	answer.Header.Set("Location", p.before("http://"+to.Host)+rest)
	return nil
}

// Break sets what happens to each further request. Number counts them from 0. Choose is called by several goroutines, one
// at a time; nil breaks none.
func (p *Proxy) Break(choose func(number int, r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.choose, p.number, p.left = choose, 0, 0
}

// Requests returns how many requests have come since Break.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.number
}

// Left returns how many clients have left since Break before the server has answered a request that was not to be broken:
// they were impatient.
func (p *Proxy) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// fault returns what happens to a request.
func (p *Proxy) fault(r *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	number := p.number
	p.number++
	if p.choose == nil {
		return None
	}
	return p.choose(number, r)
}

// serve answers a request, or forwards it.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	switch fault := p.fault(r); fault {
	case None:
		forward.ServeHTTP(w, r)
		if r.Context().Err() != nil {
			p.mu.Lock()
			p.left++
			p.mu.Unlock()
		}
	case Error, Busy, TooMany:
		io.Copy(io.Discard, r.Body)
		status := map[Fault]int{Error: http.StatusInternalServerError, Busy: http.StatusServiceUnavailable,
			TooMany: http.StatusTooManyRequests}[fault]
		http.Error(w, "broken by the test", status)
	case Reset:
		reset(w)
	case Lost:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		reset(w)
	case LostError:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		http.Error(w, "broken by the test", http.StatusBadGateway)
	case Cut:
		cut(w, r, forward)
	case Stall:
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-p.ended:
		}
	case Late:
		p.delay(r, forward)
		reset(w)
	case Overtake:
		answer := httptest.NewRecorder()
		forward.ServeHTTP(answer, r)
		p.mu.Lock()
		late := p.late
		p.late = nil
		p.mu.Unlock()
		for _, send := range late {
			send()
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	default:
		io.Copy(io.Discard, r.Body)
		var status int
		var code string
		if _, err := fmt.Sscanf(string(fault), "%d %s", &status, &code); err != nil {
			status = http.StatusTeapot
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
	}
}

// delay sends the first half of a request, and notes the rest as late.
func (p *Proxy) delay(r *http.Request, forward http.Handler) {
	body, err := whole.Read(r.Body, r.ContentLength)
	if err != nil {
		return
	}
	half, rest := body[:len(body)/2], body[len(body)/2:]
	from, to := io.Pipe()
	late := r.Clone(context.WithoutCancel(r.Context()))
	late.Body = from
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		forward.ServeHTTP(httptest.NewRecorder(), late)
		from.Close()
	}()
	to.Write(half)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, func() {
		to.Write(rest)
		to.Close()
		<-answered
	})
}

// cut answers with the header and half of the body of what the server answers, and resets the connection. An answer
// without a body is lost.
func cut(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	whole := httptest.NewRecorder()
	forward.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	if len(body) > 0 {
		maps.Copy(w.Header(), whole.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(whole.Code)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
	}
	reset(w)
}

// reset resets the connection of a request.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}
