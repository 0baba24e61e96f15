package fusefs

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/az"
	"github.com/shardfs/shardfs/internal/store/gs"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/s3"
	"github.com/shardfs/shardfs/internal/store/web"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// storeVariable, if set, makes tests put their shards into a store: it has the prefix of their names there, a space, and a
// URL below which they are uploaded.
const storeVariable = "SHARDFS_TEST_STORE"

// inStore returns the name of a shard in the store of storeVariable, after it was uploaded; without a store, the file.
func inStore(t testing.TB, file string) string {
	t.Helper()
	prefix, upload, ok := strings.Cut(os.Getenv(storeVariable), " ")
	if !ok {
		return file
	}
	f, err := os.Open(file)
	check(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, upload+"/"+filepath.Base(file), f)
	check(t, err)
	answer, err := http.DefaultClient.Do(r)
	check(t, err)
	check(t, answer.Body.Close())
	return prefix + filepath.Base(file)
}

// useStore makes tests use a store.
func useStore(t *testing.T, prefix string, env []string, put func(name string, data []byte)) {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	uploads := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		put(strings.TrimPrefix(r.URL.Path, "/"), data)
	}))
	t.Cleanup(uploads.Close)
	t.Setenv(storeVariable, prefix+" "+uploads.URL)
}

// stores returns stores that are configured by the environment.
func stores() store.Store {
	e := remote.NewEngine(remote.Options{})
	s := store.ByScheme(nil)
	for scheme, service := range map[string]remote.Service{
		"http": web.Service{Getenv: os.Getenv}, "s3": &s3.Service{Getenv: os.Getenv},
		"gs": &gs.Service{Getenv: os.Getenv}, "az": &az.Service{Getenv: os.Getenv},
	} {
		s.Add(scheme, func() store.Store { return remote.New(e, service) })
	}
	return s
}

// What mounts of local shards show and allow, also with changes, mounts of shards in stores do.
func TestStores(t *testing.T) {
	for _, tt := range []struct {
		name string
		use  func(t *testing.T)
	}{
		{"nginx", func(t *testing.T) {
			s := servers.Nginx(t)
			useStore(t, s.URL+"/", nil, func(name string, b []byte) { s.Put(t, name, b) })
		}},
		{"versitygw", func(t *testing.T) {
			s := servers.Versitygw(t)
			s.Bucket(t, "bucket")
			useStore(t, "s3://bucket/", s.Env(), func(name string, b []byte) { s.Put(t, "bucket", name, b) })
		}},
		{"fake-gcs", func(t *testing.T) {
			s := servers.FakeGCS(t)
			s.Bucket(t, "bucket")
			useStore(t, "gs://bucket/", s.Env(), func(name string, b []byte) { s.Put(t, "bucket", name, b) })
		}},
		{"Azurite", func(t *testing.T) {
			s := servers.Azurite(t)
			s.Container(t, "bucket", false)
			useStore(t, "az://bucket/", s.Env(), func(name string, b []byte) { s.Put(t, "bucket", name, b) })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.use(t)
			t.Run("view", TestView)
			t.Run("listing order", TestListingOrder)
			if servers.Slow() {
				t.Run("read-only", TestReadOnly)
				t.Run("seekdir", TestSeekDir)
				t.Run("delete while listing", TestDeleteWhileListing)
				t.Run("large root", TestLargeRoot)
				t.Run("ordinary work", TestOrdinaryWork)
				t.Run("posix", TestPosix)
			}
		})
	}
}
