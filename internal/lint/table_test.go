package lint

import (
	"flag"
	"os"
	"strings"
	"testing"

	answered "github.com/shardfs/shardfs/internal/testing/readers"
)

var update = flag.Bool("update", false, "write docs/readers.md")

// docs/readers.md is what the data of check says.
func TestTable(t *testing.T) {
	const name = "../../docs/readers.md"
	if *update {
		if err := os.WriteFile(name, []byte(Table()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != Table() {
		t.Errorf("%s is not up to date: go test ./internal/lint -run TestTable -update", name)
	}
	for _, code := range Codes() {
		if !strings.Contains(string(kept), "\n### "+string(code)+"\n") {
			t.Errorf("%s is not documented", code)
		}
	}
}

// The readers are those that have answered.
func TestReadersAnswered(t *testing.T) {
	var want []Reader
	for _, r := range answered.All() {
		want = append(want, Reader(r))
	}
	if len(want) != len(Readers()) {
		t.Fatalf("%d readers, %d have answered", len(Readers()), len(want))
	}
	for i, r := range Readers() {
		if r != want[i] {
			t.Errorf("%+v, want %+v", r, want[i])
		}
	}
}

// Claims name known readers, codes and effects; a code has each case once.
func TestClaims(t *testing.T) {
	known := make(map[string]bool)
	for _, r := range Readers() {
		known[r.Name] = true
	}
	for name, group := range groups {
		known[name] = true
		for _, reader := range group {
			if !known[reader] {
				t.Errorf("%s has an unknown reader %s", name, reader)
			}
		}
	}
	seen := make(map[Claim]bool)
	for _, set := range claims {
		if seen[Claim{Code: set.code, Variant: set.variant}] || rules[set.code].meaning == "" {
			t.Errorf("%s %s is there twice, or unknown", set.code, set.variant)
		}
		seen[Claim{Code: set.code, Variant: set.variant}] = true
		listed := 0
		for _, e := range effects {
			if names, ok := set.effects[e.Effect]; ok {
				listed++
				for _, name := range strings.Fields(names) {
					if !known[name] {
						t.Errorf("%s %s: unknown reader %s", set.code, set.variant, name)
					}
				}
			}
		}
		if listed != len(set.effects) {
			t.Errorf("%s %s has an unknown effect", set.code, set.variant)
		}
	}
}

// Every code says what helps, and those that lose samples or refuse a shard are errors.
func TestRules(t *testing.T) {
	for _, code := range Codes() {
		if code.Meaning() == "" || code.Hint() == "" || strings.HasSuffix(code.Hint(), ".") {
			t.Errorf("%s: %q, hint %q", code, code.Meaning(), code.Hint())
		}
	}
}
