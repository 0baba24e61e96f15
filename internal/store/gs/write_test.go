package gs_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/gs"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// buckets are those in which the store itself writes.
type buckets struct {
	*servers.GCS
	n atomic.Int64
}

// place returns an empty bucket.
func (b *buckets) place(t *testing.T, st store.Store) storetest.Harness {
	bucket := fmt.Sprint("written", b.n.Add(1))
	b.Bucket(t, bucket)
	root := "gs://" + bucket + "/"
	return storetest.Harness{Store: st, Prefix: root + "d /", Missing: "gs://no-such-bucket/d/", Apart: true,
		Names:  []string{" ", "?a#b", "a/../b", "a//b"},
		Remove: func(t *testing.T, name string) { b.Remove(t, bucket, strings.TrimPrefix(name, root)) },
		List: func() (names []string) {
			for _, name := range b.List(t, bucket) {
				names = append(names, root+name)
			}
			return names
		}}
}

func TestWrite(t *testing.T) {
	b := &buckets{GCS: servers.FakeGCS(t)}
	st := open(t, b.Env())
	storetest.Run(t, func(t *testing.T) storetest.Harness { return b.place(t, st) })
}

// Whatever happens to a request, an object is whole or as it was before.
func TestWriteFaults(t *testing.T) {
	b := &buckets{GCS: servers.FakeGCS(t)}
	proxy := faultproxy.New(t, b.Sessions(t))
	direct := open(t, b.Env())
	broken := func(t *testing.T, budget, silence time.Duration) storetest.Faulty {
		st := remote.New(remotetest.Quick(t, budget, silence),
			&gs.Service{Getenv: storetest.Getenv("STORAGE_EMULATOR_HOST=" + proxy.URL)})
		return storetest.Faulty{Harness: b.place(t, st), Proxy: proxy, Direct: direct}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, broken) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, broken) })
}
