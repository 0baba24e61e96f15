package atomicfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestClean checks that Clean removes what no process is writing and the caller wants, and nothing else.
func TestClean(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	busy, err := Create(dir, "busy", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Abort()
	part, err := Create(dir, "part", Options{Resumable: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := part.Detach(); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long", 60)
	random := strings.Repeat("A", randomLen)
	for _, name := range []string{
		".a" + tempInfix + random, ".kept" + tempInfix + random, tempPrefix(long) + random,
		"a", ".a", "a" + tempInfix + random, ".a" + tempInfix + random[1:], ".a" + tempInfix + random + "A",
		".a" + tempInfix + strings.ToLower(random), ".a.shardfs" + random,
	} {
		if err := os.WriteFile(filepath.Join(dir.Name(), name), []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	busyDir, err := CreateDir(filepath.Join(dir.Name(), "busydir"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer busyDir.Abort()
	if err := os.MkdirAll(filepath.Join(dir.Name(), ".dir"+tempInfix+random, "a/b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir.Name(), ".link"+tempInfix+random)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir.Name())
	if err != nil {
		t.Fatal(err)
	}
	var removed []Leftover
	may := func(l Leftover) bool { return l.Final != "kept" }
	err = Clean(dir, may, func(l Leftover) { removed = append(removed, l) })
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(removed, func(a, b Leftover) int { return strings.Compare(a.Final, b.Final) })
	if len(removed) != 4 || removed[0].Final != "a" || removed[0].Size != 5 || removed[0].Part ||
		removed[1].Final != "dir" || removed[1].Size != 0 || !strings.HasPrefix(removed[2].Final, "longlong") ||
		removed[3].Final != "part" || !removed[3].Part {
		t.Errorf("removed %+v", removed)
	}
	for _, e := range before {
		_, err := os.Lstat(filepath.Join(dir.Name(), e.Name()))
		gone := slices.ContainsFunc(removed, func(l Leftover) bool { return l.Name == e.Name() })
		if gone != os.IsNotExist(err) {
			t.Errorf("%s: removed %v, %v", e.Name(), gone, err)
		}
	}
	if err := busy.Commit(); err != nil {
		t.Errorf("the file that was being written: %v", err)
	}
}
