package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// serveHTTP serves a directory of the story by HTTP until the story ends, and sets HTTP to its URL. With a user and a
// password only they, or the token of that name in the query, are let in. Each request is a line in the file .requests:
// method, path, range, status. Of a file whose name begins with slow, nothing between the first million bytes and the
// last 100 kB is sent:
//
//	http DIR [USER PASSWORD]
//	exec shardfs ls $HTTP/in.tar
//	grep -count=1 'GET /in.tar bytes=0-' .requests
func serveHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 && len(args) != 3 {
		ts.Fatalf("usage: http DIR [USER PASSWORD]")
	}
	log, err := os.OpenFile(ts.MkAbs(".requests"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answered{ResponseWriter: w}
		user, password, _ := r.BasicAuth()
		switch {
		case len(args) == 3 && (user != args[1] || password != args[2]) && r.FormValue("token") != args[2]:
			http.Error(answer, "who is there?", http.StatusForbidden)
		default:
			serveFile(answer, r, filepath.Join(dir, filepath.Clean("/"+r.URL.Path)))
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(log, "%s %s %s %d\n", r.Method, r.URL.Path, r.Header.Get("Range"), answer.status)
	}))
	ts.Defer(func() {
		server.CloseClientConnections()
		server.Close()
		log.Close()
	})
	ts.Setenv("HTTP", server.URL)
	ts.Setenv("HOSTPORT", strings.TrimPrefix(server.URL, "http://"))
}

// serveFile serves a file, with a digest of its content as its version.
func serveFile(w http.ResponseWriter, r *http.Request, name string) {
	content, err := os.ReadFile(name)
	info, statErr := os.Stat(name)
	if err != nil || statErr != nil {
		http.NotFound(w, r)
		return
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	at, _ := strconv.Atoi(first)
	if strings.HasPrefix(filepath.Base(name), "slow") && at >= 1e6 && at < len(content)-1e5 {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	http.ServeContent(w, r, "", info.ModTime(), strings.NewReader(string(content)))
}

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
