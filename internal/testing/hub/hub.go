// Package hub is a double of the Hugging Face Hub for tests. It follows what the Hub's documentation and its own client
// say of the HTTP API: the commits of revisions, trees in pages, and resolve, which redirects small files to another path
// and large ones to another host, with a signed URL that expires. It is not the Hub, and knows nothing that is not in
// that documentation.
//
// Only tests import this package.
package hub

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Hub is a Hub of one test, with a second server for large files. It is safe for concurrent use.
type Hub struct {
	URL string // of the Hub, for HF_ENDPOINT
	CDN string // of the other host

	t        T
	mu       sync.Mutex
	pageSize int
	repos    map[string]*repo  // by kind and name: "datasets/ORG/NAME"
	blobs    map[string][]byte // by digest
	key      uint64            // signs URLs; the one before it is good, too
	limited  int
	seen     []string
}

type repo struct {
	branches map[string]string // revision to commit
	commits  map[string]tree
	token    string // that a reader needs, "" for none
	gated    bool   // the token is known, and not enough
}

type tree map[string][]byte

// largeSize is the size from which a file is in large file storage.
const largeSize = 1000

// T is the part of a [testing.TB] that a Hub needs.
type T interface {
	Cleanup(f func())
	Errorf(format string, args ...any)
}

// New starts a Hub that ends with the test. If the second server is ever sent a token, the test fails, and so does the
// request.
func New(t T) *Hub {
	h := &Hub{t: t, pageSize: 3, repos: map[string]*repo{}, blobs: map[string][]byte{}}
	front, cdn := httptest.NewServer(http.HandlerFunc(h.serve)), httptest.NewServer(http.HandlerFunc(h.serveBlob))
	h.URL, h.CDN = front.URL, cdn.URL
	t.Cleanup(front.Close)
	t.Cleanup(cdn.Close)
	return h
}

// Push makes a commit of these files alone on a branch, and returns it. The name is like "datasets/ORG/NAME".
func (h *Hub) Push(name, branch string, files map[string][]byte) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.repo(name)
	sum := sha1.New()
	fmt.Fprintf(sum, "%s %d", branch, len(r.commits))
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%s %x", path, sha256.Sum256(files[path]))
		h.blobs[digest(files[path])] = files[path]
	}
	id := hex.EncodeToString(sum.Sum(nil))
	r.branches[branch], r.commits[id] = id, maps.Clone(files)
	return id
}

// Put writes a file of a bucket, which is named like "buckets/ORG/NAME".
func (h *Hub) Put(name, path string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.repo(name)
	if r.commits[""] == nil {
		r.commits[""] = tree{}
	}
	r.commits[""][path] = data
	h.blobs[digest(data)] = data
}

// repo returns a repository that is made if it is not there. The caller holds h.mu.
func (h *Hub) repo(name string) *repo {
	if h.repos[name] == nil {
		h.repos[name] = &repo{branches: map[string]string{}, commits: map[string]tree{}}
	}
	return h.repos[name]
}

// Guard makes a repository private, for readers with this token; gated says that the token has not been granted access.
func (h *Hub) Guard(name, token string, gated bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.repo(name)
	r.token, r.gated = token, gated
}

// Expire makes all URLs that were signed before worthless.
func (h *Hub) Expire() {
	h.Age()
	h.Age()
}

// Age makes all URLs worthless that were signed before the last time it was called.
func (h *Hub) Age() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.key++
}

// Limit makes the Hub answer the next n requests that too many were sent, and to come back in a second.
func (h *Hub) Limit(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.limited = n
}

// Requests returns and forgets the requests so far: the host, "hub" or "cdn", the method and the path.
func (h *Hub) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.seen
	h.seen = nil
	return seen
}

func digest(data []byte) string {
	if len(data) < largeSize {
		sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...))
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// fail answers as the Hub does: the status, and its own words in headers.
func fail(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	http.Error(w, fmt.Sprintf("{%q:%q}", "error", message), status)
}

// serve answers for the Hub itself.
func (h *Hub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, "hub "+r.Method+" "+r.URL.EscapedPath())
	if h.limited > 0 {
		h.limited--
		w.Header().Set("RateLimit", `"resolvers";r=0;t=1`)
		w.Header().Set("RateLimit-Policy", `"fixed window";"resolvers";q=3000;w=300`)
		fail(w, http.StatusTooManyRequests, "", "We had to rate limit you")
		return
	}
	parts := segments(r.URL)
	api := parts[0] == "api"
	if api {
		parts = parts[1:]
	}
	cached := api && parts[0] == "resolve-cache"
	if cached {
		parts = parts[1:]
	}
	if !api && parts[0] != "datasets" && parts[0] != "spaces" && parts[0] != "buckets" {
		parts = append([]string{"models"}, parts...)
	}
	if len(parts) < 4 {
		fail(w, http.StatusNotFound, "", "no such page")
		return
	}
	rp, ok := h.allowed(w, r, strings.Join(parts[:3], "/"))
	if !ok {
		return
	}
	switch rest := parts[3:]; {
	case cached:
		h.serveSmall(w, r, rp.commits[rest[0]], strings.Join(rest[1:], "/"))
	case api && parts[0] == "buckets" && rest[0] == "tree":
		h.serveTree(w, r, rp.commits[""], strings.Join(rest[1:], "/"), true)
	case api && rest[0] == "tree" && len(rest) > 1:
		if c, ok := rp.commit(w, rest[1]); ok {
			h.serveTree(w, r, rp.commits[c], strings.Join(rest[2:], "/"), false)
		}
	case api && rest[0] == "revision" && len(rest) == 2:
		if c, ok := rp.commit(w, rest[1]); ok {
			json.NewEncoder(w).Encode(map[string]any{"id": strings.Join(parts[1:3], "/"), "sha": c})
		}
	case !api && rest[0] == "resolve" && parts[0] == "buckets":
		h.resolve(w, r, parts[:3], rp, "", strings.Join(rest[1:], "/"))
	case !api && rest[0] == "resolve" && len(rest) > 2:
		if c, ok := rp.commit(w, rest[1]); ok {
			h.resolve(w, r, parts[:3], rp, c, strings.Join(rest[2:], "/"))
		}
	default:
		fail(w, http.StatusNotFound, "", "no such page")
	}
}

// segments returns the segments of the path of a URL.
func segments(u *url.URL) []string {
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i]) // the server has done so before
	}
	return parts
}

// allowed returns a repository that the request may read, or answers why not.
func (h *Hub) allowed(w http.ResponseWriter, r *http.Request, name string) (*repo, bool) {
	rp := h.repos[name]
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case strings.HasPrefix(token, "bad"):
		fail(w, http.StatusUnauthorized, "", "Invalid credentials in Authorization header")
	case rp == nil && token == "", rp != nil && rp.token != "" && token == "":
		fail(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
	case rp == nil, rp.token != "" && rp.token != token:
		fail(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	case rp.gated:
		fail(w, http.StatusForbidden, "GatedRepo", "Access to this dataset is restricted, ask for it on its page.")
	default:
		return rp, true
	}
	return nil, false
}

// commit returns the commit of a revision, or answers that there is none.
func (r *repo) commit(w http.ResponseWriter, revision string) (string, bool) {
	if _, ok := r.commits[revision]; ok {
		return revision, true
	}
	c, ok := r.branches[revision]
	if !ok {
		fail(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
	}
	return c, ok
}

// resolve redirects to where a file is.
func (h *Hub) resolve(w http.ResponseWriter, r *http.Request, name []string, rp *repo, commit, path string) {
	data, ok := rp.commits[commit][path]
	if commit != "" {
		w.Header().Set("X-Repo-Commit", commit)
	}
	if !ok {
		fail(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	d := digest(data)
	if commit == "" {
		w.Header().Set("X-Xet-Hash", d)
	}
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
	w.Header().Set("X-Linked-Etag", strconv.Quote(d))
	if commit != "" && len(data) < largeSize {
		var to []string
		for s := range strings.SplitSeq(path, "/") {
			to = append(to, url.PathEscape(s))
		}
		w.Header().Set("Location", "/api/resolve-cache/"+strings.Join(name, "/")+"/"+commit+"/"+
			strings.Join(to, "/")+"?etag="+url.QueryEscape(strconv.Quote(d)))
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	w.Header().Set("Location", h.CDN+"/"+d+"?signature="+sign(h.key, d))
	w.WriteHeader(http.StatusFound)
}

// serveSmall answers with a file that is in git.
func (h *Hub) serveSmall(w http.ResponseWriter, r *http.Request, files tree, path string) {
	data, ok := files[path]
	if !ok {
		fail(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	w.Header().Set("Etag", strconv.Quote(digest(data)))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// sign returns the signature of the URL of a large file.
func sign(key uint64, digest string) string {
	m := hmac.New(sha256.New, fmt.Append(nil, key))
	m.Write([]byte(digest))
	return hex.EncodeToString(m.Sum(nil))
}

// serveBlob answers for the other host. Its ETag has nothing to do with the Hub's.
func (h *Hub) serveBlob(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.seen = append(h.seen, "cdn "+r.Method+" "+r.URL.Path)
	name := strings.TrimPrefix(r.URL.Path, "/")
	data, ok := h.blobs[name]
	signature := r.URL.Query().Get("signature")
	valid := signature == sign(h.key, name) || signature == sign(h.key-1, name)
	h.mu.Unlock()
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		h.t.Errorf("the other host was sent credentials: %s %s", r.Method, r.URL.Path)
		http.Error(w, "credentials that are not for this host", http.StatusBadRequest)
		return
	}
	if !ok || !valid {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
		return
	}
	w.Header().Set("Etag", fmt.Sprintf(`"%x-7"`, sha1.Sum(data)))
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), bytes.NewReader(data))
}
