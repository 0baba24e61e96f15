package source

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

func TestPortabilityOf(t *testing.T) {
	t.Chdir(t.TempDir())
	shardtest.Check(t, os.WriteFile("@file", nil, 0o600))
	for _, tt := range []struct {
		args []string
		want Portability
	}{
		{[]string{"/data/a.tar", "/data/b-{0..9}.tar", "s3://b/{x,y}.tar", "https://host/a.tar?key=*"}, Always},
		{[]string{"pipe:cat *.tar", "local-*.tar", "@file", "https://[::1]:80/a.tar"}, Always},
		{[]string{"a.tar", "@https://host/list"}, Kept},
		{[]string{"@https://host/list", "s3://b/a-*.tar"}, Here},
		{[]string{"a.tar", "@list"}, Here},
		{[]string{"s3://b/{x,y}-[0-9].tar"}, Here},
	} {
		if got := PortabilityOf(tt.args); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.args, got, tt.want)
		}
	}
}

// What Lines writes, Expand reads.
func TestLines(t *testing.T) {
	t.Chdir(t.TempDir())
	names := []string{"a.tar", "dir/b c.tar", "@x", "s3://b/{a}.tar", "x#1.tar", "\xff.tar", "pipe:cat {a,b}"}
	lines, err := Lines(names)
	shardtest.Check(t, err)
	shardtest.Check(t, os.WriteFile("list", lines, 0o600))
	st := store.ByScheme(map[string]store.Store{store.FileScheme: file.Store{}})
	if got, err := Expand(t.Context(), st, []string{"@list"}); err != nil || !slices.Equal(got, names) {
		t.Errorf("%q, %v, want %q", got, err, names)
	}
	for _, name := range []string{
		"", " a.tar", "a.tar\t", "#a.tar", "a\nb.tar", "a-{0..2}.tar", "a-{x,y}.tar", "a-{2..1}",
	} {
		if _, err := Lines([]string{"good.tar", name}); !errors.Is(err, ErrNoLine) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
