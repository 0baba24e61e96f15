package gallery

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/web"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// putPictures puts a shard of so many pictures with labels into a server, and its sidecar, and returns its path there.
// The content of a picture has about so many bytes.
func putPictures(t *testing.T, from *faultserver.Server, count, size int) string {
	t.Helper()
	picture := testPicture(t, 64, 48)
	picture += strings.Repeat("x", size-len(picture)) // after its end, where decoders do not look
	var members []string
	for i := range count {
		members = append(members, fmt.Sprintf("%04d.cls", i), "1", fmt.Sprintf("%04d.jpg", i), picture)
	}
	name := writeShard(t, members...)
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	shardtest.Check(t, err)
	shardtest.Check(t, sh.Save(t.Context(), name+shard.SidecarSuffix))
	shardtest.Check(t, sh.Close())
	for _, suffix := range []string{"", shard.SidecarSuffix} {
		content, err := os.ReadFile(name + suffix)
		shardtest.Check(t, err)
		from.Put("shard.tar"+suffix, content)
	}
	return "/plain/shard.tar"
}

// serveFrom is serveIn of shards that are in a server.
func serveFrom(t *testing.T, cache string, names ...string) *testServer {
	t.Helper()
	return serveWith(t, remote.New(remotetest.Patient(t), web.Service{}), cache, names...)
}

// screen asks for what the page shows on one screen: samples, and their pictures, some at a time.
func (s *testServer) screen(first, count int) {
	s.t.Helper()
	var all samplesJSON
	s.get(fmt.Sprintf("api/samples?from=%d&count=%d", first, count), &all)
	if len(all.Samples) != count || all.Samples[0].Cells["cls"] != "1" {
		s.t.Errorf("samples: %+v", all)
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := range next {
				if status, _, body := s.do(fmt.Sprintf("thumb/%d/1?side=192", n), nil); status != http.StatusOK {
					s.t.Errorf("picture %d: %d %s", n, status, body)
				}
			}
		})
	}
	for n := range count {
		next <- first + n
	}
	close(next)
	workers.Wait()
}

// A screen of neighbours in a remote shard is one request, of their bytes alone.
func TestRemoteScreen(t *testing.T) {
	const samples, size = 600, 24 << 10
	from := faultserver.New(t)
	path := putPictures(t, from, samples, size)
	count := func() (requests int, fetched int64) {
		for _, r := range from.Requests(path) {
			var first, last int64
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err != nil {
				t.Fatalf("%v: %v", r.Header, err)
			}
			requests, fetched = requests+1, fetched+last-first+1
		}
		return requests, fetched
	}
	check := func(what string, want int) {
		t.Helper()
		if n, _ := count(); n != want {
			t.Errorf("%s: %d requests, want %d", what, n, want)
		}
	}
	cache := filepath.Join(t.TempDir(), "cache")
	s := serveFrom(t, cache, from.URL+path)
	check("its beginning, with a sidecar", 1)
	_, before := count()
	s.screen(100, 40)
	check("a screen", 2)
	if _, after := count(); after-before > 50*size {
		t.Errorf("%d bytes for a screen", after-before)
	}
	s.screen(0, 40)
	check("the beginning", 2)
	s.screen(140, 40)
	s.screen(500, 40)
	check("two more screens", 4)
	s.screen(100, 40)
	var one detailJSON
	s.get("api/sample/120", &one)
	if _, _, body := s.do("raw/120/1", nil); len(body) != size || !strings.HasPrefix(body, "\xff\xd8") {
		t.Errorf("%d bytes of a picture", len(body))
	}
	check("what was on a screen", 4)
	s.get("api/sample/300", &one)
	s.do("thumb/300/1?side=512", nil)
	s.do("raw/300/1", nil)
	check("another sample", 5)
	if n := len(from.Requests(path + shard.SidecarSuffix)); n != 1 {
		t.Errorf("%d requests for the sidecar", n)
	}
}

// A sidecar of another shard of the same size is noticed, and the shard is indexed anew.
func TestRemoteFalseSidecar(t *testing.T) {
	from := faultserver.New(t)
	path := putPictures(t, from, 100, 24<<10)
	data := from.Object("shard.tar").Data
	at := bytes.Index(data, []byte("0099.jpg"))
	copy(data[at:], "x") // a key of its own
	fixHeader(data[at:][:512])
	from.Put("shard.tar", data)
	s := serveFrom(t, filepath.Join(t.TempDir(), "cache"), from.URL+path)
	if status, _, body := s.do("raw/99/1", nil); status != http.StatusConflict {
		t.Errorf("what is not there: %d %s", status, body)
	}
	s.set("the shard as it is", func(set *setJSON) bool {
		return set.Samples == 101 && set.Shards[0].State == ready && set.Generation == 1
	})
	var one detailJSON
	s.get("api/sample/100", &one)
	if one.Key != "x099" {
		t.Errorf("%+v", one)
	}
}

// fixHeader makes the checksum of a tar header right.
func fixHeader(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// What a client has left ends, also while the store does not answer, and holds nothing up.
func TestRemoteLeft(t *testing.T) {
	from := faultserver.New(t)
	putPictures(t, from, 200, 24<<10)
	path := "/stall@1-/shard.tar"
	s := serveFrom(t, filepath.Join(t.TempDir(), "cache"), from.URL+path)
	ctx, leave := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for _, what := range []string{
		"api/samples?from=100&count=40", "thumb/150/1", "thumb/160/1", "thumb/170/1", "raw/180/1",
	} {
		r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/"+testToken+"/"+what, nil)
		shardtest.Check(t, err)
		clients.Go(func() {
			if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
				answer.Body.Close()
				t.Errorf("%s: %s", what, answer.Status)
			}
		})
	}
	users := func() int {
		s.g.set.uses.mu.Lock()
		defer s.g.set.uses.mu.Unlock()
		return s.g.set.uses.count
	}
	testtime.Eventually(t, "requests that wait", func() bool { return users() == 5 && len(from.Requests(path)) > 1 })
	leave()
	clients.Wait()
	testtime.Eventually(t, "their end", func() bool { return users() == 0 })
	if !s.g.thumbs.cpus.TryAcquire(s.g.thumbs.most) || !s.g.thumbs.memory.TryAcquire(decodeBudget) {
		t.Error("what thumbnails take is held")
	}
}
