package s3

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// s3Servers are the servers of the protocol that tests start, by name.
var s3Servers = map[string]func(testing.TB) *servers.S3{"versitygw": servers.Versitygw, "rclone": servers.Rclone,
	"minio": servers.MinIO, "swift": swift}

// written is what the tests of writing need of a server.
type written struct {
	*servers.S3
	buckets atomic.Int64
}

// place returns an empty bucket.
func (w *written) place(t *testing.T, st store.Store) storetest.Harness {
	bucket := fmt.Sprintf("written%d", w.buckets.Add(1))
	w.Bucket(t, bucket)
	return storetest.Harness{Store: st, Prefix: "s3://" + bucket + "/d /", List: func() (names []string) {
		for _, name := range w.List(t, bucket) {
			names = append(names, "s3://"+bucket+"/"+name)
		}
		return names
	}}
}

// Objects are written as the contract of stores has it.
func TestWrite(t *testing.T) {
	for name, start := range s3Servers {
		t.Run(name, func(t *testing.T) {
			w := written{S3: start(t)}
			environment(t, w.Env()...)
			e := remote.NewEngine(remote.Options{})
			t.Cleanup(e.Close)
			st := remote.New(e, &Service{})
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				h := w.place(t, st)
				h.Mixes = name == "versitygw"
				return h
			})
			if copied := e.Stats().Copied; copied == 0 && !t.Failed() {
				t.Error("the server has copied nothing")
			}
		})
	}
}

// quick are options of an engine that does not wait for long, and tries again within a budget.
func quick(budget time.Duration) remote.Options {
	return remote.Options{Budget: budget, FirstBudget: budget, FirstPause: 10 * time.Millisecond,
		MostPause: 50 * time.Millisecond, Pace: time.Millisecond, Stall: 500 * time.Millisecond, Silence: time.Second}
}

// Whatever happens to a request, an object is whole or as it was before.
func TestWriteFaults(t *testing.T) {
	w := written{S3: servers.Versitygw(t)}
	proxy := faultproxy.New(t, w.URL)
	open := func(budget time.Duration) func(t *testing.T) storetest.Faulty {
		return func(t *testing.T) storetest.Faulty {
			environment(t, w.Env()...)
			direct := remote.New(remote.NewEngine(remote.Options{}), &Service{})
			_, err := direct.Stat(t.Context(), "s3://none/none") // it has read its environment
			if err == nil {
				t.Fatal("what is not there is found")
			}
			environment(t, append(w.Env(), "AWS_ENDPOINT_URL_S3="+proxy.URL)...)
			broken := remote.New(remote.NewEngine(quick(budget)), &Service{})
			return storetest.Faulty{Harness: w.place(t, broken), Proxy: proxy, Direct: direct}
		}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, open(time.Minute)) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, open(300*time.Millisecond)) })
}
