package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
)

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	file, url := "file://"+filepath.Join(dir, "in.tar"), "file://"+dir
	shardtest.Check(t, os.WriteFile("in.tar", nil, 0o600))
	shardtest.Check(t, os.Mkdir("dir", 0o700))
	for _, tt := range []struct {
		name  string
		kind  Kind
		path  string // of a directory
		file  bool
		shown string
		err   error
	}{
		{name: "in.tar", kind: Shard, file: true, shown: "in.tar"},
		{name: file, kind: Shard, file: true, shown: file},
		{name: "dir", kind: Dir, path: "dir", shown: "dir"},
		{name: url, kind: Dir, path: dir, shown: url},
		{name: "-", kind: Stream, shown: "-"},
		{name: "pipe:curl -u me:secret https://host/a.tar", kind: Stream, shown: "pipe:curl"},
		{name: "https://key:secret@bucket/a.tar?token=1", kind: Shard, shown: "https://bucket/a.tar"},
		{name: "missing.tar", shown: "missing.tar", err: fs.ErrNotExist},
	} {
		n, err := Resolve(tt.name)
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
			continue
		}
		if n.Text != tt.name || n.Kind != tt.kind || n.Path != tt.path || (n.file != nil) != tt.file ||
			n.String() != tt.shown {
			t.Errorf("%s: %+v, shown as %s, want %+v", tt.name, n, n, tt)
		}
	}
	if _, err := ResolveAll([]string{"-", "in.tar", "-"}); !errors.As(err, new(*ui.UsageError)) {
		t.Errorf("standard input twice: %v, want a mistake in the command line", err)
	}
}
