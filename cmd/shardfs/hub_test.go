package main

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shardfs/shardfs/internal/testing/hub"
)

// hubKey is the key of a story's double of the Hugging Face Hub.
type hubKey struct{}

// hubT is what the Hub knows of a story.
type hubT struct{ ts *testscript.TestScript }

func (t hubT) Cleanup(f func()) { t.ts.Defer(f) }

// Errorf does nothing: a request of which the Hub complains fails, and with it the story.
func (hubT) Errorf(string, ...any) {}

// push makes a commit of a directory's files on a branch of a repository at the story's Hub, sets COMMIT to it, and
// HF_ENDPOINT to the Hub, which it starts at first:
//
//	push DIR datasets/ORG/NAME main
//	exec shardfs ls hf://datasets/ORG/NAME/in.tar
func push(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: push DIR REPOSITORY BRANCH")
	}
	h := ts.Value(hubKey{}).(**hub.Hub)
	if *h == nil {
		*h = hub.New(hubT{ts})
		ts.Setenv("HF_ENDPOINT", (*h).URL)
	}
	files := map[string][]byte{}
	dir := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	}))
	ts.Setenv("COMMIT", (*h).Push(args[1], args[2], files))
}
