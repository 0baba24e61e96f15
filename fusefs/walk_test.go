package fusefs

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// A large root is listed without attributes, but with them where its directories are used as they are listed: that
// saves a lookup of each.
func TestWalk(t *testing.T) {
	t.Setenv(traceVariable, "1")
	m := mountMembers(t, shown, samples(largeView+3000)...)
	fd, err := unix.Open(m.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(fd)
	inOrder := func([]string) {}
	for _, tt := range []struct {
		name    string
		order   func(keys []string) // in which the directories of a part are used; nil: they are not
		lookups int                 // for each of them
	}{
		{"the first part", inOrder, 2},
		{"the second part of a walk", inOrder, 1},
		{"the third part, which is not used", nil, 0},
		{"after a part that was not used", inOrder, 2},
		{"in another order", slices.Reverse[[]string], 1},
		{"after another order", inOrder, 2},
		{"in order again", inOrder, 1},
	} {
		m.requests()
		keys := nextNames(t, fd)
		if len(keys) < 2*walkRun {
			t.Fatalf("%s has %d names: the test proves nothing", tt.name, len(keys))
		}
		if got := m.requests(); got != "READDIRPLUS 1" && got != "OPENDIR 1, READDIRPLUS 1" {
			t.Errorf("%s is listed by %q", tt.name, got)
		}
		if tt.order == nil {
			continue
		}
		tt.order(keys)
		for _, key := range keys {
			var st unix.Stat_t
			check(t, unix.Stat(m.path(key+"/sample.jpg"), &st))
		}
		if got, want := m.requests(), fmt.Sprintf("LOOKUP %d", tt.lookups*len(keys)); got != want {
			t.Errorf("%s, of %d directories, takes %q, want %q", tt.name, len(keys), got, want)
		}
	}
}

// nextNames reads the names of the next part of a listing, but "." and "..".
func nextNames(t *testing.T, fd int) []string {
	t.Helper()
	buf := make([]byte, 32<<10)
	n, err := unix.ReadDirent(fd, buf)
	check(t, err)
	_, _, all := unix.ParseDirent(buf[:n], -1, nil)
	return all
}

func TestWalkInOrder(t *testing.T) {
	for _, tt := range []struct {
		used []int // numbers of directories, from 1
		want bool
	}{
		{nil, false},
		{[]int{1, 2, 3}, false},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9}, true},
		{[]int{1, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 9}, true},
		{[]int{1, 2, 3, 4, 5, 7, 8, 9, 10, 11}, false},
		{[]int{9, 8, 7, 6, 5, 4, 3, 2, 1}, false},
		{[]int{50, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, true},
		{[]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 30}, false},
	} {
		var w walk
		for _, n := range tt.used {
			w.used(view.DirIno(index.Dir(n)))
		}
		if got := w.inOrder(); got != tt.want {
			t.Errorf("after %v: %v, want %v", tt.used, got, tt.want)
		}
		if w.inOrder() {
			t.Errorf("after %v: twice for one reason", tt.used)
		}
	}
}
