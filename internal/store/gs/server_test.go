package gs_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/gs"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// open returns the store of a server.
func open(t *testing.T, env []string) *remote.Store {
	t.Helper()
	e := remote.NewEngine(remote.Options{})
	t.Cleanup(e.Close)
	return remote.New(e, &gs.Service{Getenv: storetest.Getenv(env...)})
}

func TestStore(t *testing.T) {
	s := servers.FakeGCS(t)
	st := open(t, s.Env())
	place := func(t *testing.T) storetest.Harness {
		bucket := storetest.BucketName(t)
		s.Bucket(t, bucket)
		return storetest.Harness{Store: st, Prefix: "gs://" + bucket + "/d/",
			Put: func(t *testing.T, name string, data []byte) {
				s.Put(t, bucket, strings.TrimPrefix(name, "gs://"+bucket+"/"), data)
			}}
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

// A generation that is gone is a change, not an object that is missing. Neither bucket nor object that are not there.
func TestMissing(t *testing.T) {
	s := servers.FakeGCS(t)
	st := open(t, s.Env())
	s.Bucket(t, "bucket")
	s.Put(t, "bucket", "a", storetest.Noise(3<<20, 1))
	s.Put(t, "bucket", "b", storetest.Noise(3<<20, 1))
	for name, change := range map[string]func(){
		"a": func() { s.Put(t, "bucket", "a", storetest.Noise(3<<20, 2)) },
		"b": func() { s.Remove(t, "bucket", "b") },
	} {
		o, err := st.Open(t.Context(), "gs://bucket/"+name)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		change()
		p := make([]byte, 100)
		if n, err := o.ReadAt(t.Context(), p, 2<<20); !errors.Is(err, store.ErrChanged) || errors.Is(err,
			fs.ErrNotExist) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	for _, name := range []string{"gs://bucket/none", "gs://no-such-bucket/a"} {
		if _, err := st.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Names are literal: listed as they were written, and found again.
func TestNames(t *testing.T) {
	s := servers.FakeGCS(t)
	st := open(t, s.Env())
	s.Bucket(t, "bucket")
	names := []string{"d/ ", "d/%2f", "d/+&=", "d/?a#b", "d/a b.tar", "d/a/../b", "d/é🙂"} // sorted
	for i, name := range names {
		s.Put(t, "bucket", name, storetest.Noise(1000+i, byte(i)))
	}
	s.Put(t, "bucket", "other", storetest.Noise(1, 1))
	i := 0
	for e, err := range st.List(t.Context(), "gs://bucket/d/") {
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(names) || e.Name != "gs://bucket/"+names[i] || e.Size != int64(1000+i) {
			t.Errorf("%d: %q with %d bytes, want one of %q", i, e.Name, e.Size, names)
			break
		}
		o, err := st.Open(t.Context(), e.Name)
		if err != nil {
			t.Fatalf("%q: %v", e.Name, err)
		}
		want := storetest.Noise(1000+i, byte(i))
		if got, err := storetest.Read(t, o, 0); err != nil || !bytes.Equal(got, want) || o.Version() != e.Version {
			t.Errorf("%q: other bytes, or version %q, listed as %q", e.Name, o.Version(), e.Version)
		}
		o.Close()
		i++
	}
	if i != len(names) {
		t.Errorf("%d objects are listed of %d", i, len(names))
	}
	for _, err := range st.List(t.Context(), "gs://no-such-bucket/d/") {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a listing of no bucket: %v", err)
		}
	}
}
