package main

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/servers"
)

// pagesOf returns a server of the S3 protocol that lists keys, which are sorted, 1000 a page, and has no other objects. Lists
// counts the pages.
func pagesOf(t *testing.T, keys []string, lists *atomic.Int64) *servers.S3 {
	type object struct {
		Key  string
		Size int
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("list-type") != "2" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		lists.Add(1)
		begin, _ := strconv.Atoi(q.Get("continuation-token"))
		for !strings.HasPrefix(keys[begin], q.Get("prefix")) {
			begin++
		}
		page := struct {
			XMLName               xml.Name `xml:"ListBucketResult"`
			IsTruncated           bool
			NextContinuationToken string
			Contents              []object
		}{IsTruncated: begin+1000 < len(keys), NextContinuationToken: fmt.Sprint(begin + 1000)}
		for _, key := range keys[begin:min(begin+1000, len(keys))] {
			page.Contents = append(page.Contents, object{key, 10240})
		}
		xml.NewEncoder(w).Encode(page)
	}))
	t.Cleanup(s.Close)
	return &servers.S3{Server: &servers.Server{URL: s.URL}}
}

// The outputs of 100 000 shards are looked for in listings of 1000 each, whatever else is in the bucket.
func TestStatusOfMany(t *testing.T) {
	var keys []string
	for i := range 5000 {
		keys = append(keys, fmt.Sprintf("in/%05d.tar", i))
	}
	for i := range 100_000 {
		if i != 3 && i < 99_998 {
			keys = append(keys, fmt.Sprintf("out/%05d.tar", i))
		}
	}
	var lists atomic.Int64
	run := shell(t.TempDir(), pagesOf(t, keys, &lists).Env())
	missing, err := run("status -q in/{00000..99999}.tar -o s3://bucket/out/{name}.tar --missing").Output()
	if exit, ok := err.(*exec.ExitError); ok {
		t.Fatalf("%v: %s", err, exit.Stderr)
	}
	if string(missing) != "3,99998,99999\n" {
		t.Errorf("missing %.200q", missing)
	}
	t.Logf("%d listings", lists.Load())
	if n := lists.Load(); n > 110 {
		t.Errorf("%d listings of 1000 objects", n)
	}
}
