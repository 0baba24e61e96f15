package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKillsOfManyPacked kills a pack of several shards, each into its own output, at random moments: at each an output is
// absent or whole, clean then leaves nothing else, and the same command does what is missing.
func TestKillsOfManyPacked(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	p := newPlace(t, nil)
	var names []string
	want := make(map[string][]byte)
	for i := range 6 {
		name := fmt.Sprintf("s%d.tar", i)
		names = append(names, name)
		p.must(os.WriteFile(p.path(name), p.shard(40+i), 0o666))
		p.run(fault{}, "pack", "-q", name, "--rekey", "{key}-new", "--write-index", "-o", "out/single.tar")
		b, err := os.ReadFile(p.path("out", "single.tar"))
		p.must(err)
		want["single-"+name] = b
	}
	many := []string{"pack", "-q", "--rekey", "{key}-new", "--write-index", "-o", "out/single-{name}.tar"}
	many = append(many, names...)
	for round := range manyOrFew(40, 2) {
		p.reset(nil)
		kept := make(map[string]os.FileInfo)
		killed := true
		for n := 0; killed; n++ {
			f := fault{kill: "pack", after: time.Duration(r.Int64N(int64(60 * time.Millisecond)))}
			if n == 5 {
				f = fault{} // it must come to an end
			}
			res := p.run(f, many...)
			p.checkMany(want, kept)
			if killed = res.killed; !killed && res.status != exitOK {
				t.Fatalf("round %d, run %d: exit status %d: %s", round, n, res.status, res.stderr)
			}
			if cleaned := p.run(fault{}, "clean", "-q", "-o", "out/single-{name}.tar"); cleaned.status != exitOK {
				t.Fatalf("clean: %d: %s", cleaned.status, cleaned.stderr)
			}
			if left, _ := filepath.Glob(p.path("out/.*")); len(left) > 0 {
				t.Fatalf("round %d, run %d: clean leaves %q", round, n, left)
			}
		}
		if len(kept) != len(want) {
			t.Fatalf("round %d: %d of %d outputs", round, len(kept), len(want))
		}
		status := append([]string{"status", "-o", "out/single-{name}.tar", "--missing"}, names...)
		var missing bytes.Buffer
		if res := p.pipe(fault{}, nil, &missing, status...); res.status != exitOK || missing.Len() > 0 {
			t.Fatalf("status: %d: %s%s", res.status, &missing, res.stderr)
		}
	}
}
