package aistore

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/testing/whole"
)

// upload is a multipart upload.
type upload struct {
	bucket, name string
	parts        map[int][]byte
}

// write answers a request that writes, for a target.
func (c *Cluster) write(w http.ResponseWriter, r *http.Request) {
	body, err := whole.Read(r.Body, r.ContentLength)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, "target "+r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") != "" {
		c.t.Errorf("a target was sent a token: %s", r.URL.Path)
	}
	query := r.URL.Query()
	bucket, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/objects/"), "/")
	bucket = query.Get("namespace") + "/" + bucket
	if _, ok := c.buckets[bucket]; !ok {
		fail(w, r, http.StatusNotFound, "ErrBckNotFound", "bucket does not exist")
		return
	}
	id := query.Get("uploadId")
	u := c.uploads[id]
	var ask struct {
		Action string
		Value  json.RawMessage
	}
	if r.Method != http.MethodPut && json.Unmarshal(body, &ask) != nil {
		fail(w, r, http.StatusBadRequest, "", "invalid request")
		return
	}
	switch {
	case id == "" && r.Method == http.MethodPut:
		c.put(w, r, bucket, name, body)
	case id == "" && ask.Action == "mpt-upload":
		id := fmt.Sprint("upload", len(c.seen))
		c.uploads[id] = &upload{bucket, name, map[int][]byte{}}
		io.WriteString(w, id)
	case u == nil || u.bucket != bucket || u.name != name:
		fail(w, r, http.StatusNotFound, "ErrNotFound", "upload does not exist")
	case r.Method == http.MethodPut:
		number, err := strconv.Atoi(query.Get("partNumber"))
		if err != nil || number < 1 || len(body) == 0 {
			fail(w, r, http.StatusBadRequest, "", "invalid part")
			return
		}
		u.parts[number] = body
	case ask.Action == "mpt-complete":
		c.complete(w, r, id, ask.Value)
	case ask.Action == "mpt-abort" && r.Method == http.MethodDelete:
		delete(c.uploads, id)
	default:
		fail(w, r, http.StatusBadRequest, "", "invalid action")
	}
}

// put makes or replaces an object. The caller holds c.mu.
func (c *Cluster) put(w http.ResponseWriter, r *http.Request, bucket, name string, data []byte) {
	if kind := r.Header.Get("Ais-Checksum-Type"); kind != "" {
		sum := fmt.Sprintf("%08x", crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		if kind != "crc32c" || sum != r.Header.Get("Ais-Checksum-Value") {
			fail(w, r, http.StatusInternalServerError, "ErrBadCksum", "bad data checksum")
			return
		}
	}
	b := c.buckets[bucket]
	b[name] = newObject(data, b[name].version+1, r.Header.Values("Ais-Custom-Md"))
}

// complete makes an object of the parts of an upload, which must be all that there are. The caller holds c.mu.
func (c *Cluster) complete(w http.ResponseWriter, r *http.Request, id string, list json.RawMessage) {
	var parts []struct {
		Number int `json:"part-number"`
	}
	u := c.uploads[id]
	if err := json.Unmarshal(list, &parts); err != nil || len(parts) != len(u.parts) {
		fail(w, r, http.StatusBadRequest, "", "partial completion is not allowed")
		return
	}
	var data [][]byte
	for i, p := range parts {
		if p.Number != i+1 {
			fail(w, r, http.StatusBadRequest, "", "parts must be exactly 1..N")
			return
		}
		data = append(data, u.parts[p.Number])
	}
	b := c.buckets[u.bucket]
	b[u.name] = newObject(slices.Concat(data...), b[u.name].version+1, nil)
	delete(c.uploads, id)
}
