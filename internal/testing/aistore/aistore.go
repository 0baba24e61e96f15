// Package aistore is a double of an NVIDIA AIStore cluster for tests: a proxy and two targets. It follows what the
// documentation and the sources of AIStore say of its native API: requests for objects that the proxy redirects to a target
// (reads by 301, others by 307), the headers of objects, multipart uploads, listings in pages that are asked for by a GET
// with a body, errors in JSON. It is not AIStore, and knows nothing that is not in there.
//
// Only tests import this package.
package aistore

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Cluster is a cluster of one test. It is safe for concurrent use.
type Cluster struct {
	URL string // of the proxy, for AIS_ENDPOINT

	t       testing.TB
	targets []string // URLs

	mu      sync.Mutex
	buckets map[string]map[string]object // by namespace and name of a bucket
	uploads map[string]*upload           // by their ids
	token   string                       // that the proxy wants, "" for none
	bare    bool                         // answers have no checksum
	moved   int                          // how often objects have moved to other targets
	seen    []string
}

type object struct {
	data    []byte
	version int
	custom  []string // NAME=VALUE
	sum     string   // MD5 of data
}

func newObject(data []byte, version int, custom []string) object {
	return object{data, version, custom, fmt.Sprintf("%x", md5.Sum(data))}
}

const pageSize = 3

// New starts a cluster that ends with the test. The test fails if a target is sent a token.
func New(t testing.TB) *Cluster {
	c := &Cluster{t: t, buckets: map[string]map[string]object{}, uploads: map[string]*upload{}}
	start := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	c.URL = start(c.serve)
	for i := range 2 {
		c.targets = append(c.targets, start(func(w http.ResponseWriter, r *http.Request) { c.serveTarget(w, r, i) }))
	}
	return c
}

// Bucket makes a bucket. The namespace is "" or like @CLUSTER#NAMESPACE.
func (c *Cluster) Bucket(namespace, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buckets[namespace+"/"+name] = map[string]object{}
}

// Put makes or replaces an object, or deletes it if data is nil.
func (c *Cluster) Put(namespace, bucket, name string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buckets[namespace+"/"+bucket]
	if data == nil {
		delete(b, name)
		return
	}
	b[name] = newObject(data, b[name].version+1, nil)
}

// Get returns the bytes of an object, or nil.
func (c *Cluster) Get(namespace, bucket, name string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buckets[namespace+"/"+bucket][name].data
}

// Names returns the names of all objects of a bucket, and of its unfinished uploads, as NAME#UPLOAD.
func (c *Cluster) Names(namespace, bucket string) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.buckets[namespace+"/"+bucket] {
		names = append(names, name)
	}
	for id, u := range c.uploads {
		if u.bucket == namespace+"/"+bucket {
			names = append(names, u.name+"#"+id)
		}
	}
	return names
}

// Guard makes the proxy want a token.
func (c *Cluster) Guard(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = token
}

// Bare makes targets tell no checksums.
func (c *Cluster) Bare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bare = true
}

// Rebalance moves all objects to the other target. A target does not know an object that it does not have.
func (c *Cluster) Rebalance() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved++
}

// Requests returns and forgets the requests so far: "proxy" or "target" and the path.
func (c *Cluster) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	c.seen = nil
	return seen
}

// fail answers with an error as AIStore writes it.
func fail(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"tcode": code, "message": message, "method": r.Method,
		"url_path": r.URL.Path, "remote_addr": "", "caller": "", "node": "", "status": status})
}

// serve answers for the proxy.
func (c *Cluster) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, "proxy "+r.URL.Path)
	query := r.URL.Query()
	if c.token != "" && r.Header.Get("Authorization") != "Bearer "+c.token {
		fail(w, r, http.StatusUnauthorized, "ErrInvalidToken", "invalid token")
		return
	}
	if query.Get("provider") != "ais" {
		fail(w, r, http.StatusBadRequest, "ErrInvalidBackendProvider", "invalid backend provider")
		return
	}
	kind, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	bucket, name, _ := strings.Cut(rest, "/")
	b, ok := c.buckets[query.Get("namespace")+"/"+bucket]
	switch {
	case !ok:
		fail(w, r, http.StatusNotFound, "ErrBckNotFound", fmt.Sprintf("bucket %q does not exist", bucket))
	case kind == "objects" && name != "":
		to := c.targets[c.home(bucket, name)] + r.URL.EscapedPath() + "?" + r.URL.RawQuery +
			"&pid=proxy&utm=" + strconv.FormatInt(time.Now().UnixNano(), 10)
		status := http.StatusMovedPermanently
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			status = http.StatusTemporaryRedirect
		}
		http.Redirect(w, r, to, status)
	case kind == "buckets" && name == "":
		list(w, r, b)
	default:
		fail(w, r, http.StatusBadRequest, "", "invalid path")
	}
}

// home returns which target has an object. The caller holds c.mu.
func (c *Cluster) home(bucket, name string) int {
	h := fnv.New32()
	fmt.Fprintf(h, "%s/%s", bucket, name)
	return (int(h.Sum32()) + c.moved) % len(c.targets)
}

// serveTarget answers for a target.
func (c *Cluster) serveTarget(w http.ResponseWriter, r *http.Request, target int) {
	if r.Method != http.MethodGet {
		c.write(w, r)
		return
	}
	c.mu.Lock()
	c.seen = append(c.seen, "target "+r.URL.Path)
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/objects/"), "/")
	o, ok := c.buckets[r.URL.Query().Get("namespace")+"/"+bucket][name]
	ok = ok && c.home(bucket, name) == target
	bare := c.bare
	c.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		c.t.Errorf("a target was sent a token: %s", r.URL.Path)
	}
	if !ok {
		fail(w, r, http.StatusNotFound, "ErrNotFound", fmt.Sprintf("object %q does not exist", name))
		return
	}
	if !bare {
		// Also of a part, the checksum is that of the whole object.
		w.Header().Set("Ais-Checksum-Type", "md5")
		w.Header().Set("Ais-Checksum-Value", o.sum)
	}
	w.Header()["Ais-Custom-Md"] = o.custom
	w.Header().Set("Ais-Version", strconv.Itoa(o.version))
	w.Header().Set("Ais-Atime", strconv.FormatInt(time.Now().UnixNano(), 10))
	w.Header().Set("Content-Type", "application/octet-stream")
	r.Header.Del("If-Match") // conditions are ignored
	r.Header.Del("If-Unmodified-Since")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.data))
}

// list answers with a page of a bucket's objects.
func list(w http.ResponseWriter, r *http.Request, b map[string]object) {
	var ask struct {
		Action string
		Value  struct {
			UUID, Props, Prefix string
			ContinuationToken   string `json:"continuation_token"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || ask.Action != "list" {
		fail(w, r, http.StatusBadRequest, "", "invalid request")
		return
	}
	if (ask.Value.UUID == "") != (ask.Value.ContinuationToken == "") {
		fail(w, r, http.StatusBadRequest, "", "a page of no listing")
		return
	}
	var names []string
	for name := range b {
		if strings.HasPrefix(name, ask.Value.Prefix) && name > ask.Value.ContinuationToken {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	more := ""
	if len(names) > pageSize {
		names = names[:pageSize]
		more = names[pageSize-1]
	}
	var entries []map[string]any
	for _, name := range names {
		e := map[string]any{"name": name, "flags": 1 << 6}
		if n := len(b[name].data); n > 0 {
			e["size"] = strconv.Itoa(n) // left out if it is 0
		}
		entries = append(entries, e)
	}
	w.Header().Set("Content-Type", "application/json")
	page := map[string]any{"uuid": "list-1", "continuation_token": more, "entries": entries, "flags": 0}
	json.NewEncoder(w).Encode(page)
}
