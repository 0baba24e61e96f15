package claim

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/ui"
)

// Check knows a file under each of its names.
func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	err := errors.Join(
		os.WriteFile("a", nil, 0o600), os.WriteFile("b", nil, 0o600), os.Link("a", "hard"), os.Symlink("a", "soft"),
		os.MkdirAll("dir/sub", 0o700), os.Symlink("dir", "linked"), os.Symlink("dir/new", "dangling"),
		os.WriteFile("dir/file", nil, 0o600), os.WriteFile("dir/sub/file", nil, 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs("a")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		story  string
		read   []string
		top    string // claimed by ReadBelow, from the second level on
		own    string
		write  []string
		open   string // is written, and open already
		dir    string // is written
		refuse bool
	}{
		{story: "others", read: []string{"a"}, write: []string{"b", "c", "dir/a"}},
		{story: "itself", read: []string{"a"}, write: []string{"b", "a"}, refuse: true},
		{story: "spelled otherwise", read: []string{"a"}, write: []string{"dir/.././a"}, refuse: true},
		{story: "a URL", read: []string{"a"}, write: []string{"file://" + abs}, refuse: true},
		{story: "a link", read: []string{"a"}, write: []string{"soft"}, refuse: true},
		{story: "read by a link", read: []string{"soft"}, write: []string{"hard"}, refuse: true},
		{story: "twice", write: []string{"b", "./b"}, refuse: true},
		{story: "twice, new", write: []string{"dir/new", "linked/new"}, refuse: true},
		{story: "twice, by a dangling link", write: []string{"dir/new", "dangling"}, refuse: true},
		{story: "twice, in no directory", write: []string{"no/new", "no/../no/new"}, refuse: true},
		{story: "missing", read: []string{"c"}, write: []string{"c"}},
		{story: "another store", read: []string{"s3://b/a"}, write: []string{"s3://b/c", "s3://b/a"}, refuse: true},
		{story: "at the top", top: "dir", write: []string{"dir/file", "dir/sub/new"}},
		{story: "in a sample", top: "dir", write: []string{"linked/sub/file"}, refuse: true},
		{story: "open, in a sample", top: "dir", open: "linked/sub/file", refuse: true},
		{story: "open, at the top", top: "dir", open: "dir/file"},
		{story: "a new directory in a sample", top: "dir", dir: "linked/sub/new", refuse: true},
		{story: "a directory beside", top: "dir", dir: "new"},
		{story: "owned", own: "linked", write: []string{"dir/sub/new"}, refuse: true},
		{story: "beside what is owned", own: "dir", write: []string{"a"}},
	} {
		var f Files
		for _, name := range tt.read {
			f.Read("the shard", name)
		}
		if tt.top != "" {
			f.ReadBelow("the directory", tt.top, 2)
		}
		if tt.own != "" {
			f.Own("the mount", tt.own)
		}
		for _, name := range tt.write {
			f.Write("-o", name)
		}
		if tt.dir != "" {
			f.WriteDir("-d", tt.dir)
		}
		if tt.open != "" {
			file, err := os.OpenFile(tt.open, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			f.WriteFile("-o -", file)
		}
		if err := f.Check(); (err != nil) != tt.refuse {
			t.Errorf("%s: %v", tt.story, err)
		} else if err != nil && (!errors.As(err, new(*ui.UsageError)) || ui.HintOf(err) == "") {
			t.Errorf("%s: %v is no mistake in the command line, or has no hint", tt.story, err)
		}
	}
}
