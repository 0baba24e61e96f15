package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/corpus"
	"github.com/shardfs/shardfs/internal/ui"
)

// Check finds damage in exactly those files that cannot be opened, and fails for no file in another way.
func TestCheckCorpus(t *testing.T) {
	damaged := 0
	dir := t.TempDir()
	archives := corpus.Archives(t)
	for _, f := range archives {
		name := f.File(t, dir)
		var out bytes.Buffer
		r := &findings{ui: &ui.UI{Out: &out, Err: io.Discard, JSON: true}}
		if err := checkShard(context.Background(), r, lint.New(r.add), name, shard.Options{}); err != nil {
			t.Errorf("%v", err)
		}
		sh, err := shard.Open(context.Background(), name, shard.Options{NoIndex: true, SpoolDir: t.TempDir()})
		if (err != nil) != (r.worst == lint.Damage) {
			t.Errorf("%s: %s; opened: %v", name, out.String(), err)
		}
		if f.Ours && (err != nil) != (f.Want != corpus.Whole) {
			t.Errorf("%s: %v, want %q", f.Name, err, f.Want)
		}
		if err != nil {
			damaged++
		} else if err := sh.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d files, %d of them damaged", len(archives), damaged)
}

// writerFunc is a writer that calls a function.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A shard that is written to while it is checked is reported as changed, not as damaged.
func TestCheckChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in.tar")
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, member := range []string{"README", "a.txt"} {
		if err := w.WriteHeader(&tar.Header{Name: member, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, plain.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, change := range []bool{false, true} {
		out := writerFunc(func(p []byte) (int, error) { // called for the first finding, in the middle of the shard
			if change {
				return len(p), os.Truncate(name, 1000)
			}
			return len(p), nil
		})
		r := &findings{ui: &ui.UI{Out: out, Err: io.Discard, JSON: true}}
		err := checkShard(context.Background(), r, lint.New(r.add), name, shard.Options{})
		if errors.Is(err, store.ErrChanged) != change || change && exitStatus(err) != exitIO ||
			r.worst != lint.Warning {
			t.Errorf("changed: %v; %v, worst finding %v", change, err, r.worst)
		}
	}
}
