package main

import (
	"os"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
)

// TestHelpUnread has nobody read the help, as shardfs help run | head has nobody read its end.
func TestHelpUnread(t *testing.T) {
	r, w, err := os.Pipe()
	shardtest.Check(t, err)
	r.Close()
	defer w.Close()
	root := newRoot(&globals{UI: &ui.UI{}})
	root.SetErr(failOnWrite{t})
	root.SetOut(untilClosed{w})
	root.SetArgs([]string{"help", "run"})
	if err := root.Execute(); err != nil {
		t.Error(err)
	}
}

// failOnWrite fails a test that writes to it.
type failOnWrite struct{ t *testing.T }

func (w failOnWrite) Write(p []byte) (int, error) {
	w.t.Errorf("the user is told %q", p)
	return len(p), nil
}
