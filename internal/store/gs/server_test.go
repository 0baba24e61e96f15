package gs_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store/gs"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// open returns the store of a server.
func open(t *testing.T, env []string) *remote.Store {
	t.Helper()
	return remote.New(remotetest.Patient(t), &gs.Service{Getenv: storetest.Getenv(env...)})
}

func TestStore(t *testing.T) {
	s := servers.FakeGCS(t)
	st := open(t, s.Env())
	place := func(t *testing.T) storetest.Harness {
		bucket := storetest.BucketName(t)
		s.Bucket(t, bucket)
		root := "gs://" + bucket + "/"
		return storetest.Harness{Store: st, Prefix: root + "d/", Missing: "gs://no-such-bucket/d/",
			Names: []string{" ", "?a#b", "a/../b", "a//b"},
			Put: func(t *testing.T, name string, data []byte) {
				s.Put(t, bucket, strings.TrimPrefix(name, root), data)
			},
			Remove: func(t *testing.T, name string) { s.Remove(t, bucket, strings.TrimPrefix(name, root)) }}
	}
	storetest.Run(t, place)
	t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, place) })
}

// An object that is stored as gzip is read as it is stored, in ranges, too.
func TestGzip(t *testing.T) {
	s := servers.FakeGCS(t)
	st := open(t, s.Env())
	s.Bucket(t, "bucket")
	data := bytes.Repeat(storetest.Noise(100_000, 1), 30)
	for _, data := range [][]byte{data[:1000], data} {
		stored := s.PutGzip(t, "bucket", "a.tar", data)
		o, err := st.Open(t.Context(), "gs://bucket/a.tar")
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if got, err := storetest.Read(t, o, 0); err != nil || !bytes.Equal(got, stored) {
			t.Errorf("%d bytes, want the %d that are stored", len(got), len(stored))
		}
		p := make([]byte, 100)
		off := int64(len(stored) / 2)
		if _, err := o.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p, stored[off:off+100]) {
			t.Errorf("a range: other bytes, or %v", err)
		}
		r, err := gzip.NewReader(bytes.NewReader(stored))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Errorf("what is stored is not the gzip of the data: %v", err)
		}
	}
}
