package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/oddshards"
	"github.com/shardfs/shardfs/internal/ui"
)

// notFixed are findings that --fix leaves: it mends one shard at a time, and does not know what was meant.
var notFixed = []lint.Code{lint.KeyInTwoShards, lint.DottedNames}

// After --fix, check finds nothing that matters and can be mended, and the contents are the same.
func TestFix(t *testing.T) {
	for _, s := range oddshards.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, f := range s.Files {
				if err := os.MkdirAll(filepath.Dir(f.Path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f.Path, f.Data, 0o666); err != nil {
					t.Fatal(err)
				}
				testFixed(t, f.Path)
			}
		})
	}
}

func testFixed(t *testing.T, name string) {
	codes := codesIn(t, name)
	u := &ui.UI{Out: io.Discard, Err: io.Discard}
	fix := newPack(&globals{UI: u, stores: newStores(u)})
	fix.SilenceErrors, fix.SilenceUsage = true, true
	fix.SetArgs([]string{"--fix", "--on-duplicate-extension", "rename", "--index", "none", "-o", "fixed.tar", name})
	if err := fix.ExecuteContext(t.Context()); err != nil {
		if !slices.ContainsFunc(codes, func(c lint.Code) bool { return c.Mend() == lint.NotMended }) {
			t.Errorf("%s: %q: %v", name, codes, err)
		}
		return
	}
	for _, code := range codesIn(t, "fixed.tar") {
		if code.Severity() >= lint.Warning && code.Mend() != lint.NotMended && code.Mend() != lint.ByRename &&
			!slices.Contains(notFixed, code) {
			t.Errorf("%s: %q, and %s is left", name, codes, code)
		}
	}
	if was, is := contents(t, name), contents(t, "fixed.tar"); !slices.Equal(was, is) {
		t.Errorf("%s: the contents are %q, and %q when it is fixed", name, was, is)
	}
}

// codesIn returns what check finds in a shard.
func codesIn(t *testing.T, name string) (codes []lint.Code) {
	t.Helper()
	r := &findings{ui: &ui.UI{Out: io.Discard, Err: io.Discard, JSON: true}}
	checker := lint.New(func(f lint.Finding) error {
		codes = append(codes, f.Code)
		return r.add(f)
	})
	if err := checkShard(context.Background(), r, checker, name, shard.Options{}); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// contents returns the sorted contents of a shard's members that belong to samples and are not hidden.
func contents(t *testing.T, name string) (list []string) {
	t.Helper()
	sh, err := shard.Open(t.Context(), name, shard.Options{NoIndex: true, AllowTruncated: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	for n := range sh.Index.Samples() {
		s := sh.Index.Sample(n)
		if s.Key[len(s.Key)-1] == '/' {
			continue
		}
		for row := s.Start; row < s.End; row++ {
			if !sh.Index.InSample(row) {
				continue
			}
			content, err := sh.Index.Open(row, sh.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(content)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, string(b))
		}
	}
	slices.Sort(list)
	return list
}
