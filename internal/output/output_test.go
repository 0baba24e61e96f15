package output

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/ui"
)

// TestWriteEnds checks that a large member does not keep an output from ending, unless a run is to complete it.
func TestWriteEnds(t *testing.T) {
	ended := errors.New("ended")
	for _, tt := range []struct {
		name      string
		resumable bool
		want      error
	}{{"out.tar", false, ended}, {"out.tgz", false, ended}, {"out.tar", true, nil}} {
		ctx, cancel := context.WithCancelCause(t.Context())
		name := filepath.Join(t.TempDir(), tt.name)
		out, err := Create(ctx, Options{Name: name, UI: &ui.UI{}, Resumable: tt.resumable})
		if err != nil {
			t.Fatal(err)
		}
		cancel(ended)
		if _, err := out.file.Write(make([]byte, 512)); !errors.Is(err, tt.want) {
			t.Errorf("%s, resumable %v: %v, want %v", tt.name, tt.resumable, err, tt.want)
		}
		out.Abort()
	}
}
