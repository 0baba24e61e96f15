package shard

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// NoScan opens a shard by an index that is found, and scans none that has no index.
func TestNoScan(t *testing.T) {
	name, cache := filepath.Join(t.TempDir(), "a.tar"), filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(name, makeTar(t, 2, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{CacheDir: cache, NoScan: true}
	if s, err := Open(t.Context(), name, o); !errors.Is(err, ErrNotAtHand) {
		t.Fatalf("without an index: %v, %v", s, err)
	}
	s, err := Open(t.Context(), name, Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if s, err = Open(t.Context(), name, o); err != nil {
		t.Fatal(err)
	}
	if s.Index.Samples() != 2 {
		t.Errorf("%d samples", s.Index.Samples())
	}
	s.Close()
}
