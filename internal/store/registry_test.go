package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/store/storetest"
)

// A combination of several stores behaves like each of them for its names.
func TestByScheme(t *testing.T) {
	for _, scheme := range []string{"memory", "file", ""} {
		t.Run(scheme, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				all := store.ByScheme(map[string]store.Store{store.FileScheme: file.Store{}, "memory": memory.New()})
				prefix := map[string]string{"memory": "memory://bucket/", "file": "file://" + t.TempDir() + "/",
					"": t.TempDir() + "/"}
				return storetest.Harness{Store: all, Prefix: prefix[scheme]}
			})
		})
	}
	all := store.ByScheme(map[string]store.Store{"memory": memory.New()})
	_, openErr := all.Open(t.Context(), "s3://bucket/a")
	_, createErr := all.Create(t.Context(), "a", store.Options{})
	_, statErr := all.Stat(t.Context(), "s3://bucket/a")
	for _, err := range []error{openErr, createErr, statErr} {
		if !errors.Is(err, store.ErrScheme) {
			t.Errorf("a name of no store: %v", err)
		}
	}
}

// Whether an unfinished output can be continued depends on the store of its name.
func TestResumerFor(t *testing.T) {
	type noResumer struct{ store.Store } // has the methods of a Store only
	all := store.ByScheme(map[string]store.Store{
		store.FileScheme: file.Store{}, "memory": memory.New(), "once": noResumer{memory.New()},
	})
	for _, tt := range []struct {
		st   store.Store
		name string
		want bool
	}{
		{all, "a", true},
		{all, "file:///a", true},
		{all, "memory://a", true},
		{all, "once://a", false},
		{all, "other://a", false},
		{memory.New(), "memory://a", true},
		{noResumer{memory.New()}, "memory://a", false},
	} {
		if _, ok := store.ResumerFor(tt.st, tt.name); ok != tt.want {
			t.Errorf("%s in %T: %v, want %v", tt.name, tt.st, ok, tt.want)
		}
	}
}

// What is wrong with a scheme is said in one line, with what the user may have meant.
func TestSchemeError(t *testing.T) {
	stores := map[string]store.Store{store.FileScheme: file.Store{}, "s3": memory.New(), "gs": memory.New()}
	all := store.ByScheme(stores)
	const known = "unknown kind of URL: %s:// (known are paths, file://, gs://, s3://)"
	const copied = "copy it to a file first, or pipe it into shardfs run, pack or check -"
	for _, tt := range []struct{ scheme, hint string }{
		{"s3a", "did you mean s3://?"}, {"S3", "did you mean s3://?"}, {"gcs", "did you mean gs://?"},
		{"abfs", copied}, {"ftp", copied},
	} {
		_, err := all.Open(t.Context(), tt.scheme+"://bucket/a")
		var scheme *store.SchemeError
		if !errors.As(err, &scheme) || scheme.Error() != fmt.Sprintf(known, tt.scheme) || scheme.Hint() != tt.hint {
			t.Errorf("%s: %v; %s", tt.scheme, err, scheme.Hint())
		}
	}
}
