package kubernetes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/servers"
)

// What the job does: so many shards of so many samples each; the shards whose number is divisible by large have samples of
// 3 MiB, so that their outputs are sent in parts.
const (
	shards  = 148
	samples = 8
	large   = 37
)

// shardName returns the name of a shard without extensions.
func shardName(i int) string { return fmt.Sprintf("train-%04d", i) }

// shard returns the bytes of a shard.
func shard(t *testing.T, i int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	noise := rand.NewChaCha8([32]byte{byte(i)})
	for s := range samples {
		data := make([]byte, 2000+100*i)
		if i%large == 0 {
			data = make([]byte, 3<<20)
		}
		noise.Read(data)
		for _, m := range []struct {
			extension string
			data      []byte
		}{{"bin", data}, {"txt", fmt.Appendf(nil, "sample %d of shard %d\n", s, i)}} {
			h := &tar.Header{Name: fmt.Sprintf("s%03d.%s", s, m.extension), Size: int64(len(m.data)), Mode: 0o644,
				ModTime: time.Unix(1700000000, 0)}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(m.data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// interval is how often a watcher looks.
const interval = time.Second / 20

// watcher reads the outputs all the time, as a training run may that does not wait for the end of the job.
type watcher struct {
	looks, reads int
	bad          []string // what was not as it should be

	end     chan struct{}
	stopped sync.WaitGroup
}

// watch begins to read the objects of a bucket, each when it appears and now and then again. Each must be as wanted.
func watch(t *testing.T, s *servers.S3, bucket string, want map[string][32]byte) *watcher {
	w := &watcher{end: make(chan struct{})}
	w.stopped.Go(func() {
		seen := map[string]bool{}
		for ticker := time.NewTicker(interval); ; w.looks++ {
			select {
			case <-w.end:
				return
			case <-ticker.C:
			}
			names := objects(s, bucket)
			for i, name := range names {
				if seen[name] && i != w.looks%len(names) {
					continue
				}
				seen[name] = true
				w.reads++
				if sum := sha256.Sum256(s.Get(t, bucket, name)); sum != want[name] {
					w.bad = append(w.bad, name)
				}
			}
		}
	})
	t.Cleanup(w.stop)
	return w
}

// stop ends the watcher.
func (w *watcher) stop() {
	select {
	case <-w.end:
	default:
		close(w.end)
	}
	w.stopped.Wait()
}

// objects returns the names of a bucket's objects, which the server keeps as files.
func objects(s *servers.S3, bucket string) (names []string) {
	entries, _ := os.ReadDir(filepath.Join(s.Dir, bucket))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names
}
