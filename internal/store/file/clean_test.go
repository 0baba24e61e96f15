package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
)

// TestClean checks that leftovers are known by the names that users write, and how the sequence ends.
func TestClean(t *testing.T) {
	t.Chdir(t.TempDir())
	const random = ".shardfs-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	make := func() {
		for _, name := range []string{"out/.a.tar" + random, "out/.b.tar" + random, ".a.tar" + random} {
			if err := errors.Join(os.MkdirAll("out", 0o777), os.WriteFile(name, []byte("12345"), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var cleaner store.Cleaner = Store{}
	all := func(store.Leftover) bool { return true }
	for _, tt := range []struct{ prefix, names string }{
		{"out/", "out/a.tar out/b.tar"}, {"out/a", "out/a.tar"}, {"", "a.tar"}, {"./", "./a.tar"}, {"x", ""},
		{"out//b.tar", "out//b.tar"}, {"file://" + wd + "/out/b", "file://" + wd + "/out/b.tar"},
	} {
		make()
		var names []string
		for l, err := range cleaner.Clean(t.Context(), tt.prefix, all) {
			if err != nil {
				t.Fatalf("%s: %v", tt.prefix, err)
			}
			names = append(names, l.Name)
			_, err := os.Lstat(l.At)
			if !errors.Is(err, fs.ErrNotExist) || filepath.Base(l.At)[0] != '.' || l.Size != 5 {
				t.Errorf("%+v: %v", l, err)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != tt.names {
			t.Errorf("%s: %s, want %s", tt.prefix, got, tt.names)
		}
	}
	make()
	for l, err := range cleaner.Clean(t.Context(), "out/", all) {
		if err == nil && l.Name != "" {
			break // the other one stays
		}
	}
	if left, err := os.ReadDir("out"); err != nil || len(left) != 1 {
		t.Errorf("%d left, %v, want one after the caller has stopped", len(left), err)
	}
	for _, tt := range []struct {
		prefix string
		want   error
	}{{"none/a", fs.ErrNotExist}, {"out/.a.tar" + random + "/x", fs.ErrNotExist}, {"s3://x", store.ErrScheme}} {
		make()
		for _, err := range cleaner.Clean(t.Context(), tt.prefix, all) {
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.prefix, err, tt.want)
			}
		}
	}
}
