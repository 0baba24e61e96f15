package storetest

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/whole"
)

// Noise returns n bytes of which no part equals another, and which are others for each seed.
func Noise(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// Check ends the test if there is an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Getenv returns what reads an environment of lines like NAME=VALUE.
func Getenv(lines ...string) func(name string) string {
	return func(name string) string {
		for _, line := range lines {
			if value, ok := strings.CutPrefix(line, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// Read returns an object's bytes from off to its end.
func Read(t testing.TB, o store.Object, off int64) ([]byte, error) {
	t.Helper()
	return whole.Read(io.NewSectionReader(store.At(t.Context(), o), off, o.Size()+1), o.Size()-off)
}

// BucketName returns a name for the bucket of a test: letters, digits and dashes in lower case.
func BucketName(t testing.TB) string {
	return "b" + strings.ToLower(strings.Map(func(r rune) rune {
		if r < '0' || r > 'z' || r == '_' {
			return -1
		}
		return r
	}, strings.ReplaceAll(t.Name(), "/", "-")))
}
