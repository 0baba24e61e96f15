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
	"sync"
	"testing"
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
	Stall     Fault = "stall"         // there is no answer, and the server does not get the request

	// Of a late request, the connection is reset, and the server gets the second half of the body at the next Overtake, whose
	// client gets the answer when the server has got that, too.
	Late     Fault = "late"
	Overtake Fault = "overtake"
)

// Faults returns all faults that need no others.
func Faults() []Fault { return []Fault{Error, Busy, TooMany, Reset, Lost, LostError, Stall} }

// Proxy is a running proxy. It is safe for concurrent use.
type Proxy struct {
	URL string // without a slash at the end

	forward http.Handler
	ended   chan struct{}

	mu     sync.Mutex // guards all below
	choose func(number int, r *http.Request) Fault
	number int
	late   []func() // send what is late, and wait for the answers
	left   int
}

// New starts a proxy before the server of a URL, which is stopped when the test ends. The host that a client names
// reaches the server, so that signatures stay valid.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{ended: make(chan struct{})}
	silent := log.New(io.Discard, "", 0)
	p.forward = &httputil.ReverseProxy{ErrorLog: silent, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	s := httptest.NewUnstartedServer(p)
	s.Config.ErrorLog = silent
	s.Start()
	p.URL = s.URL
	t.Cleanup(func() {
		close(p.ended)
		s.CloseClientConnections()
		s.Close()
	})
	return p
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

// ServeHTTP implements [http.Handler].
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch fault := p.fault(r); fault {
	case None:
		p.forward.ServeHTTP(w, r)
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
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		reset(w)
	case LostError:
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		http.Error(w, "broken by the test", http.StatusBadGateway)
	case Stall:
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-p.ended:
		}
	case Late:
		p.delay(r)
		reset(w)
	case Overtake:
		answer := httptest.NewRecorder()
		p.forward.ServeHTTP(answer, r)
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
func (p *Proxy) delay(r *http.Request) {
	body, err := io.ReadAll(r.Body)
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
		p.forward.ServeHTTP(httptest.NewRecorder(), late)
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
