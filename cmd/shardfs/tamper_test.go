package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shardfs/shardfs/index"
)

// tamper replaces the columns of an index file by those of another, plain shard, and corrects the checksums. Without a
// file name it does so in the only file in the cache:
//
//	tamper other.tar
//	tamper other.tar in.tar.sfidx
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: tamper OTHER [FILE]")
	}
	files := []string{ts.MkAbs(args[len(args)-1])}
	if len(args) == 1 {
		var err error
		files, err = filepath.Glob(filepath.Join(ts.Getenv("XDG_CACHE_HOME"), "shardfs", "*.sfidx"))
		ts.Check(err)
		if len(files) != 1 {
			ts.Fatalf("%d index files in the cache: %v", len(files), files)
		}
	}
	b, err := os.ReadFile(files[0])
	ts.Check(err)
	saved, err := index.Decode(b, nil)
	ts.Check(err)
	other, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	saved.Index, err = index.Build(bytes.NewReader(other), index.BuildOptions{})
	ts.Check(err)
	var out bytes.Buffer
	ts.Check(saved.Write(&out))
	ts.Check(os.WriteFile(files[0], out.Bytes(), 0o600))
}
