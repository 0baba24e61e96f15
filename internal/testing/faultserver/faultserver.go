// Package faultserver is an HTTP server of objects with the faults that servers, proxies and networks have. The fault of a
// request is chosen by the first component of its path, the object by the rest:
//
//	s := faultserver.New(t)
//	s.Put("a.tar", data)
//	url := s.URL + "/stall@1-/a.tar" // all requests for this path but the first one stall
//
// After a fault may follow, with an @, the requests for that path that have it: N for one, N-M, or N- for all from N on,
// counted from 0. Without, all have it. Several faults are joined by +, and the first of them that fits counts. The faults
// are in the table of faults.go, and "plain" has none.
//
// Only tests import this package.
package faultserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a running server. It is safe for concurrent use.
type Server struct {
	URL  string // without a slash at the end
	HTTP *httptest.Server

	// Moved is the base of the URLs to which the fault "elsewhere" redirects.
	Moved string

	ended <-chan struct{}

	mu       sync.Mutex // guards all below
	objects  map[string]Object
	requests map[string][]Request // by path
	written  map[string]int
}

// Object is an object of a server. Its fields may be changed before it is put again.
type Object struct {
	Data    []byte
	ETag    string // "" for none
	ModTime time.Time
	Header  http.Header // of answers with bytes of it
}

// Request is a request that the server got.
type Request struct {
	At     time.Time
	Header http.Header
	Query  string
	Remote string // the address of the connection
}

// New starts a server, which is stopped when the test ends.
func New(t testing.TB) *Server { return start(t, false) }

// NewTLS is New for https.
func NewTLS(t testing.TB) *Server { return start(t, true) }

func start(t testing.TB, tls bool) *Server {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	s := &Server{ended: ctx.Done(), objects: make(map[string]Object), requests: make(map[string][]Request),
		written: make(map[string]int)}
	s.HTTP = httptest.NewUnstartedServer(s)
	s.HTTP.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tls {
		s.HTTP.StartTLS()
	} else {
		s.HTTP.Start()
	}
	s.URL = s.HTTP.URL
	t.Cleanup(func() {
		end()
		s.HTTP.CloseClientConnections()
		s.HTTP.Close()
	})
	return s
}

// Refused returns a URL at which no server listens.
func Refused(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return "http://" + l.Addr().String()
}

// Put makes or replaces an object, at once and as a whole, with a new ETag and time.
func (s *Server) Put(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[name]++
	sum := sha256.Sum256(data)
	s.objects[name] = Object{Data: slices.Clone(data), ETag: fmt.Sprintf(`"%x-%d"`, sum[:6], s.written[name]),
		ModTime: time.Unix(1_700_000_000+int64(s.written[name]), 0)}
}

// PutObject is Put with everything about the object.
func (s *Server) PutObject(name string, o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = o
}

// Object returns an object.
func (s *Server) Object(name string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[name]
}

// Remove removes an object.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, name)
}

// Requests returns the requests for a path, which begins with a slash.
func (s *Server) Requests(path string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests[path])
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	number := len(s.requests[r.URL.Path])
	s.requests[r.URL.Path] = append(s.requests[r.URL.Path],
		Request{time.Now(), r.Header.Clone(), r.URL.RawQuery, r.RemoteAddr})
	fault, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	o, exists := s.objects[name]
	s.mu.Unlock()
	fault = choose(fault, number)
	if !exists {
		http.Error(w, "no such object", http.StatusNotFound)
		return
	}
	x := &exchange{w: w, r: r, s: s, o: o, name: name, number: number}
	x.begin, x.end, x.status = x.wanted()
	f, known := faults()[fault]
	if !known {
		http.Error(w, "unknown fault "+fault, http.StatusTeapot)
		return
	}
	f(x)
}

// choose returns the first of several faults that a request has.
func choose(faults string, number int) string {
	for fault := range strings.SplitSeq(faults, "+") {
		if name, when, limited := strings.Cut(fault, "@"); !limited || isIn(number, when) {
			return name
		}
	}
	return "plain"
}

// isIn reports whether a number is in N, N-M or N-.
func isIn(number int, span string) bool {
	first, last, isSpan := strings.Cut(span, "-")
	from, err := strconv.Atoi(first)
	if !isSpan {
		return err == nil && number == from
	}
	to, endErr := strconv.Atoi(last)
	return err == nil && number >= from && (endErr != nil || number <= to)
}

// exchange is a request and its answer.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	s      *Server
	o      Object
	name   string
	number int // of the request, among those for the path

	status     int   // 200, 206, 412 or 416
	begin, end int64 // what is asked for
}

// wanted returns the range that the request wants, and the status of the right answer.
func (x *exchange) wanted() (begin, end int64, status int) {
	size := int64(len(x.o.Data))
	if match := x.r.Header.Get("If-Match"); match != "" && (match != x.o.ETag || strings.HasPrefix(match, "W/")) {
		return 0, 0, http.StatusPreconditionFailed
	}
	span, isRange := strings.CutPrefix(x.r.Header.Get("Range"), "bytes=")
	first, last, ok := strings.Cut(span, "-")
	begin, err := strconv.ParseInt(first, 10, 64)
	if !isRange || !ok || err != nil {
		return 0, size, http.StatusOK
	}
	if begin >= size {
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	end = size
	if n, err := strconv.ParseInt(last, 10, 64); err == nil {
		end = min(end, n+1)
	}
	return begin, end, http.StatusPartialContent
}

// headers sets the headers of the right answer.
func (x *exchange) headers() {
	h := x.w.Header()
	for name, values := range x.o.Header {
		h[name] = values
	}
	if x.o.ETag != "" {
		h.Set("ETag", x.o.ETag)
	}
	if !x.o.ModTime.IsZero() {
		h.Set("Last-Modified", x.o.ModTime.UTC().Format(http.TimeFormat))
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/x-tar")
	}
	switch x.status {
	case http.StatusPartialContent:
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", x.begin, x.end-1, len(x.o.Data)))
	case http.StatusRequestedRangeNotSatisfiable:
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", len(x.o.Data)))
	}
	h.Set("Content-Length", strconv.FormatInt(x.end-x.begin, 10))
}

// bytes returns the bytes of the right answer.
func (x *exchange) bytes() []byte { return x.o.Data[x.begin:x.end] }

// half returns the first half of them.
func (x *exchange) half() []byte { return x.o.Data[x.begin : x.begin+(x.end-x.begin)/2] }

// send sends the headers and a body.
func (x *exchange) send(body []byte) {
	x.w.WriteHeader(x.status)
	x.w.Write(body)
}

// flush sends what is written so far.
func (x *exchange) flush() { http.NewResponseController(x.w).Flush() }

// hang waits until the client has gone or the server is stopped.
func (x *exchange) hang() {
	select {
	case <-x.r.Context().Done():
	case <-x.s.ended:
	}
}

// cut ends the connection at once, with a reset or cleanly.
func (x *exchange) cut(reset bool) {
	x.flush()
	c, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return
	}
	if t, ok := c.(*net.TCPConn); ok && reset {
		t.SetLinger(0)
	}
	c.Close()
}
