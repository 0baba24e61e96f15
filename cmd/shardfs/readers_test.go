package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/oddshards"
	"github.com/shardfs/shardfs/internal/testing/readers"
	"github.com/shardfs/shardfs/internal/ui"
)

// Each claim of check about a reader is what that reader answered for every odd shard in which check finds the code, and
// everything that happened to a reader is claimed.
func TestReaders(t *testing.T) {
	outcomes, err := readers.Outcomes()
	if err != nil {
		t.Fatal(err)
	}
	var claims []readers.Claim
	for _, c := range lint.Claims() {
		claims = append(claims, readers.Claim{
			Code: caseOf(c.Code, c.Variant), Reader: c.Reader, Effect: readers.Effect(c.Effect),
		})
	}
	found := make(map[string][]string)
	for _, s := range oddshards.All() {
		found[s.Name] = casesIn(t, s)
	}
	wrong := readers.Judge(claims, found, outcomes)
	missing := 0
	for _, w := range wrong {
		if w.Code == "" {
			missing++
		}
		t.Errorf("%v; found: %q", w, found[w.Shard])
	}
	t.Logf("%d claims, %d odd shards, %d answers: %d false, %d missing",
		len(claims), len(found), len(outcomes), len(wrong)-missing, missing)
}

// caseOf names a case of a code.
func caseOf(code lint.Code, variant string) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", code, variant))
}

// casesIn returns what check finds in an odd shard: codes, and their variants.
func casesIn(t *testing.T, s oddshards.Shard) (cases []string) {
	t.Helper()
	t.Chdir(t.TempDir())
	r := &findings{ui: &ui.UI{Out: io.Discard, Err: io.Discard, JSON: true}}
	checker := lint.New(func(f lint.Finding) error {
		if c := caseOf(f.Code, f.Variant); !slices.Contains(cases, c) {
			cases = append(cases, c)
		}
		return r.add(f)
	})
	checker.Decode()
	for _, f := range s.Files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path, f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := checkShard(context.Background(), r, checker, f.Path, shard.Options{}); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	return cases
}
