package swift

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

func open(t *testing.T, s *servers.SwiftServer) *remote.Store {
	return remote.New(remotetest.Quick(t, time.Minute, 30*time.Second), New(storetest.Getenv(s.Env()...)))
}

const size = 3 << 20

// All against one server, because it takes seconds to start.
func TestSwift(t *testing.T) {
	s := servers.Swift(t)
	n := 0
	place := func(t *testing.T) storetest.Harness {
		n++
		container := fmt.Sprint("store é+%20", n)
		s.Container(t, container)
		prefix := "swift://" + container + "/d/"
		return storetest.Harness{Store: open(t, s), Prefix: prefix, Missing: "swift://none/",
			Names: []string{" ", "a//b", "a/../b"},
			Put: func(t *testing.T, name string, data []byte) {
				s.Put(t, container, "d/"+strings.TrimPrefix(name, prefix), data)
			},
			Remove: func(t *testing.T, name string) {
				s.Do(t, http.MethodDelete, container, "d/"+strings.TrimPrefix(name, prefix), nil, nil)
			}}
	}
	t.Run("store", func(t *testing.T) { storetest.Run(t, place) })
	t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, place) })
	for name, test := range map[string]func(t *testing.T, s *servers.SwiftServer){
		"write": testWrite, "write faults": testWriteFaults, "segments": testSegments, "tokens": testForgotten,
		"static large objects": testStatic, "dynamic large objects": testDynamic,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func TestLocateRefuses(t *testing.T) {
	for _, name := range []string{"swift://c", "swift://c/", "swift:///a", "swift://../a", "swift://c/a\x00",
		"s3://c/a"} {
		if _, err := New(storetest.Getenv()).Locate(t.Context(), name); err != errName {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A token that has expired during a walk is replaced.
func testForgotten(t *testing.T, s *servers.SwiftServer) {
	s.Container(t, "tokens")
	data := storetest.Noise(size, 1)
	s.Put(t, "tokens", "a.tar", data)
	o, err := open(t, s).Open(t.Context(), "swift://tokens/a.tar")
	storetest.Check(t, err)
	for off := int64(1 << 20); off < size; off += 1 << 19 {
		s.Forget(t)
		p := make([]byte, 1000)
		if n, err := o.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p[:n], data[off:off+1000]) {
			t.Errorf("%d bytes at %d, %v", n, off, err)
		}
	}
}

// segments puts the segments of a large object and returns its content.
func segments(t *testing.T, s *servers.SwiftServer, container string) []byte {
	s.Container(t, container)
	data := storetest.Noise(size, 1)
	for i := range 3 {
		s.Put(t, container, fmt.Sprint("segments/", i), data[i<<20:(i+1)<<20])
	}
	return data
}

// holds checks the content of an object, and returns it opened again, with nothing of it at hand but its beginning, and no
// patience with errors.
func holds(t *testing.T, s *servers.SwiftServer, name string, data []byte) store.Object {
	t.Helper()
	o, err := open(t, s).Open(t.Context(), name)
	storetest.Check(t, err)
	if got, err := storetest.Read(t, o, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	e := remotetest.Quick(t, 10*time.Second, 30*time.Second)
	o, err = remote.New(e, New(storetest.Getenv(s.Env()...))).Open(t.Context(), name)
	storetest.Check(t, err)
	return o
}

// A static large object is read whole and by ranges. When a segment is overwritten, the ETag stays as it was, and yet no
// byte of another version is read.
func testStatic(t *testing.T, s *servers.SwiftServer) {
	data := segments(t, s, "static")
	var manifest []map[string]any
	for i := range 3 {
		manifest = append(manifest, map[string]any{"path": fmt.Sprint("/static/segments/", i),
			"etag": fmt.Sprintf("%x", md5.Sum(data[i<<20:(i+1)<<20])), "size_bytes": 1 << 20})
	}
	body, err := json.Marshal(manifest)
	storetest.Check(t, err)
	s.Do(t, http.MethodPut, "static", "a.tar?multipart-manifest=put", nil, body)
	o := holds(t, s, "swift://static/a.tar", data)
	s.Put(t, "static", "segments/2", storetest.Noise(1<<20, 2))
	for off, want := range map[int64]error{
		2<<20 - 1000: store.ErrUnreachable, // the server ends the body early, or answers 500
		2<<20 + 1:    store.ErrChanged,
	} {
		got, err := storetest.Read(t, o, off)
		if !bytes.HasPrefix(data[off:], got) || len(got) >= len(data[off:]) ||
			!errors.Is(err, want) && !errors.Is(err, store.ErrChanged) {
			t.Errorf("from %d, after a segment was overwritten: %d bytes, %v", off, len(got), err)
		}
	}
}

// A dynamic large object has another version when a segment was overwritten.
func testDynamic(t *testing.T, s *servers.SwiftServer) {
	data := segments(t, s, "dynamic")
	s.Do(t, http.MethodPut, "dynamic", "a.tar", http.Header{"X-Object-Manifest": {"dynamic/segments/"}}, nil)
	o := holds(t, s, "swift://dynamic/a.tar", data)
	s.Put(t, "dynamic", "segments/2", storetest.Noise(1<<20, 2))
	if got, err := storetest.Read(t, o, 2<<20); len(got) > 0 || !errors.Is(err, store.ErrChanged) {
		t.Errorf("after a segment was overwritten: %d bytes, %v", len(got), err)
	}
}
