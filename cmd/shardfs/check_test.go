package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/shard"
)

// corpus is a collection of odd and hostile tars. It is no part of the repository.
const corpus = "../../../shared/corpus/files"

// Check finds damage in those files that cannot be opened, and in no others; whatever they are, it has no other trouble.
func TestCheckCorpus(t *testing.T) {
	files, err := os.ReadDir(corpus)
	if err != nil {
		t.Skipf("SKIPPED: the corpus of odd tars is missing: %v", err)
	}
	damaged := 0
	for _, f := range files {
		name := filepath.Join(corpus, f.Name())
		var out bytes.Buffer
		r := &findings{ui: &ui{out: &out, err: io.Discard, json: true}}
		if err := checkShard(context.Background(), r, lint.New(r.add), name, false); err != nil {
			t.Errorf("%v", err)
		}
		sh, err := shard.Open(context.Background(), name, shard.Options{NoIndex: true, SpoolDir: t.TempDir()})
		if (err != nil) != (r.worst == lint.Damage) {
			t.Errorf("%s: %s; opened: %v", name, out.String(), err)
		}
		if err != nil {
			damaged++
		} else if err := sh.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d files, %d of them damaged", len(files), damaged)
}
