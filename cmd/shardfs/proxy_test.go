package main

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// serveProxy starts a proxy until the story ends, and sets PROXY to its host and port. It lets in one user. Whatever host is
// asked for, a directory of the story is what it serves, by https with the certificate of example.com, which is in the file
// .cert. Each request is a line in the file .proxied: method and host.
//
//	proxy DIR USER PASSWORD
func serveProxy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: proxy DIR USER PASSWORD")
	}
	dir := ts.MkAbs(args[0])
	p := &proxyServer{credentials: "Basic " + base64.StdEncoding.EncodeToString([]byte(args[1]+":"+args[2]))}
	p.files = func(w http.ResponseWriter, r *http.Request) {
		serveFile(w, r, filepath.Join(dir, filepath.Clean("/"+r.URL.Path)))
	}
	var err error
	p.log, err = os.OpenFile(ts.MkAbs(".proxied"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	ts.Check(err)
	p.secure = httptest.NewTLSServer(http.HandlerFunc(p.files))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.secure.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs(".cert"), certificate, 0o600))
	server := httptest.NewServer(p)
	ts.Defer(func() {
		for _, s := range []*httptest.Server{server, p.secure} {
			s.CloseClientConnections()
			s.Close()
		}
		p.tunnels.Wait()
		p.log.Close()
	})
	ts.Setenv("PROXY", server.Listener.Addr().String())
}

// proxyServer is a proxy that leads all requests to its own files.
type proxyServer struct {
	credentials string
	files       http.HandlerFunc
	secure      *httptest.Server
	tunnels     sync.WaitGroup

	mu  sync.Mutex
	log *os.File
}

// ServeHTTP implements [http.Handler].
func (p *proxyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fmt.Fprintln(p.log, r.Method, r.Host)
	p.mu.Unlock()
	switch {
	case r.Header.Get("Proxy-Authorization") != p.credentials:
		http.Error(w, "who is there?", http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.tunnel(w)
	default:
		p.files(w, r)
	}
}

// tunnel connects the client with the server of https.
func (p *proxyServer) tunnel(w http.ResponseWriter) {
	to, err := net.Dial("tcp", p.secure.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		to.Close()
		return
	}
	for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
		p.tunnels.Go(func() {
			io.Copy(ends[1], ends[0])
			from.Close()
			to.Close()
		})
	}
}
