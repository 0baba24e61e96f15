package overlay

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// describe returns all changes of an overlay, a line each.
func describe(t *testing.T, o *Overlay) []string {
	t.Helper()
	var all []string
	for d, err := range o.Changes() {
		shardtest.Check(t, err)
		line := fmt.Sprintf("%c %s", d.Letter(), d.Path)
		if d.Sample {
			line += "/"
		}
		if d.From != "" {
			line += " from " + d.From
		}
		all = append(all, line)
	}
	return all
}

// checkState checks that a State has what Dirs yields.
func checkState(t *testing.T, o *Overlay) {
	t.Helper()
	s, err := o.State()
	shardtest.Check(t, err)
	now := make(map[int]string)
	others := 0
	for d, err := range o.Dirs() {
		shardtest.Check(t, err)
		if d.Sample == nil {
			others++
			continue
		}
		now[d.Sample.Number] = fmt.Sprint(d.Path, d.Renamed, d.Untouched, len(d.Files))
	}
	for n := range o.Shard.Index.Samples() {
		d, ok, err := s.Dir(n)
		shardtest.Check(t, err)
		got := ""
		if ok {
			got = fmt.Sprint(d.Path, d.Renamed, d.Untouched, len(d.Files))
		}
		if got != now[n] {
			t.Errorf("sample %d: %q, want %q", n, got, now[n])
		}
		if !s.Changed(n) && (!ok || d.Renamed || !d.Untouched) {
			t.Errorf("sample %d has changed: %q", n, got)
		}
	}
	if len(s.Added()) != others-1 { // the root is the last
		t.Errorf("%d added, want %d", len(s.Added()), others-1)
	}
}

func TestChanges(t *testing.T) {
	members := []string{"a.x", "a.y", "a/in.x", "b.x", "d/c.x", "d/e.x", "f.x"}
	for _, tt := range []struct {
		name string
		do   func(h *hand)
		want string // one change each, separated by commas
	}{
		{"nothing", func(h *hand) {}, ""},
		{"only looked at", func(h *hand) { h.read("a/sample.x") }, ""},
		{"file changed", func(h *hand) { h.write("a/sample.x", "new") }, "M a/sample.x"},
		{"file added", func(h *hand) { h.write("a/sample.z", "new") }, "A a/sample.z"},
		{"file deleted", func(h *hand) { h.rm("a/sample.x") }, "D a/sample.x"},
		{"file deleted and made again", func(h *hand) {
			h.rm("a/sample.x")
			h.write("a/sample.x", "n")
		}, "M a/sample.x"},
		{"file renamed", func(h *hand) { h.mv("a/sample.x", "a/sample.z") }, "A a/sample.z,D a/sample.x"},
		{"file to another sample", func(h *hand) { h.mv("a/sample.x", "b/sample.y") }, "D a/sample.x,A b/sample.y"},
		{"file away and back", func(h *hand) { h.mv("a/sample.x", "a/t"); h.mv("a/t", "a/sample.x") }, ""},
		{"added and deleted", func(h *hand) { h.write("a/t", ""); h.rm("a/t") }, ""},
		{"key changed", func(h *hand) { h.write("b/__key__", "other") }, "M b/__key__"},
		{"directory for a file", func(h *hand) {
			h.rm("b/sample.x")
			h.mkdir("b/sample.x")
		}, "D b/sample.x,A b/sample.x/"},
		{"sample deleted", func(h *hand) { h.rm("b") }, "D b/"},
		{"sample with one nested in it deleted", func(h *hand) { h.rm("a") }, "D a/,D a/in/"},
		{"last sample deleted", func(h *hand) { h.rm("f") }, "D f/"},
		{"all deleted", func(h *hand) {
			h.rm("a")
			h.rm("b")
			h.rm("d")
			h.rm("f")
		}, "D a/,D a/in/,D b/,D d/c/,D d/e/,D f/"},
		{"sample emptied", func(h *hand) { h.rm("b/sample.x") }, "D b/sample.x"},
		{"sample deleted and made again", func(h *hand) {
			h.rm("b")
			h.mkdir("b")
			h.write("b/sample.z", "")
		}, "A b/sample.z,D b/sample.x"},
		{"sample renamed", func(h *hand) { h.mv("b", "g") }, "R g/ from b"},
		{"sample renamed and changed", func(h *hand) {
			h.mv("b", "g")
			h.write("g/sample.x", "")
		}, "R g/ from b,M g/sample.x"},
		{"sample away and back", func(h *hand) { h.mv("b", "g"); h.mv("g", "b") }, ""},
		{"samples changed places", func(h *hand) {
			h.mv("b", "t")
			h.mv("f", "b")
			h.mv("t", "f")
		}, "R f/ from b,R b/ from f"},
		{"another in its old place", func(h *hand) { h.mv("b", "g"); h.mkdir("b"); h.write("b/sample.z", "") },
			"R g/ from b,A b/,A b/sample.z"},
		{"another in its old place, and it earlier in the alphabet", func(h *hand) {
			h.mv("b", "aa")
			h.mkdir("b")
			h.write("b/sample.z", "")
		}, "R aa/ from b,A b/,A b/sample.z"},
		{"a nested one moved out, and another in its place", func(h *hand) {
			h.mv("a/in", "0")
			h.mkdir("a/in")
			h.write("a/in/sample.z", "")
		}, "A a/in/,A a/in/sample.z,R 0/ from a/in"},
		{"nested one in the renamed", func(h *hand) { h.mv("a", "g") }, "R g/ from a,R g/in/ from a/in"},
		{"nested one moved out", func(h *hand) { h.mv("a/in", "out") }, "R out/ from a/in"},
		{"moved into a new directory", func(h *hand) { h.mkdir("new"); h.mv("b", "new/b") }, "R new/b/ from b,A new/"},
		{"moved into another sample", func(h *hand) { h.mv("b", "f/b") }, "R f/b/ from b"},
		{"over an emptied one", func(h *hand) {
			for _, name := range []string{"sample.x", "__key__", "__source__"} {
				h.rm("f/" + name)
			}
			h.mv("b", "f")
		}, "R f/ from b,D f/"},
		{"directory above renamed", func(h *hand) { h.mv("d", "g") }, "R g/c/ from d/c,R g/e/ from d/e"},
		{"directory above renamed twice", func(h *hand) {
			h.mv("d", "g")
			h.mkdir("n")
			h.mv("g", "n/g")
			h.mv("n", "m")
		}, "R m/g/c/ from d/c,R m/g/e/ from d/e,A m/"},
		{"directory above deleted", func(h *hand) { h.rm("d") }, "D d/c/,D d/e/"},
		{"directory above deleted and made again", func(h *hand) {
			h.rm("d")
			h.mkdir("d")
			h.mkdir("d/c")
			h.write("d/c/sample.z", "")
		}, "D d/c/,D d/e/,A d/c/,A d/c/sample.z"},
		{"one out of a directory that is renamed", func(h *hand) {
			h.mv("d/c", "c")
			h.mv("d", "g")
		}, "R c/ from d/c,R g/e/ from d/e"},
		{"file for a sample", func(h *hand) { h.rm("b"); h.write("b", "") }, "D b/,A b"},
		{"file for the directory above", func(h *hand) { h.rm("d"); h.write("d", "") }, "D d/c/,D d/e/,A d"},
		{"new sample", func(h *hand) { h.mkdir("n"); h.write("n/sample.x", "") }, "A n/,A n/sample.x"},
		{"new sample in a directory above others", func(h *hand) {
			h.mkdir("d/n")
			h.write("d/n/sample.x", "")
		}, "A d/n/,A d/n/sample.x"},
		{"new files in a directory above samples", func(h *hand) { h.write("d/sample.x", "") }, "A d/,A d/sample.x"},
		{"one sample becomes many", func(h *hand) {
			h.mkdir("b/1")
			h.write("b/1/sample.x", "")
			h.mkdir("b/2")
			h.mkdir("b/2/3")
			h.write("b/2/3/sample.x", "")
		}, "A b/1/,A b/1/sample.x,A b/2/,A b/2/3/,A b/2/3/sample.x"},
		{"in a sample that was deleted and made again", func(h *hand) {
			h.rm("b")
			h.mkdir("b")
			h.mkdir("b/1")
			h.write("b/1/sample.x", "")
		}, "D b/sample.x,A b/1/,A b/1/sample.x"},
		{"strays", func(h *hand) { h.write("stray", "") }, "A stray"},
		{"a link and a pipe", func(h *hand) {
			b := h.ino("b")
			_, err := h.Symlink(b, "link", "sample.x", me)
			shardtest.Check(h.t, err)
			_, err = h.Mknod(b, "pipe", 0o10644, 0, me)
			shardtest.Check(h.t, err)
		}, "A b/link,A b/pipe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHand(t, shardtest.Open(t, members...))
			before, err := h.o.Stamp()
			shardtest.Check(t, err)
			tt.do(h)
			if got := strings.Join(describe(t, h.o), ","); got != tt.want {
				t.Errorf("the changes are\n%q, want\n%q", got, tt.want)
			}
			checkState(t, h.o)
			after, err := h.o.Stamp()
			shardtest.Check(t, err)
			if tt.want != "" && after == before {
				t.Error("the stamp is what it was")
			}
			again, err := h.o.Stamp()
			shardtest.Check(t, err)
			if again != after {
				t.Error("the stamp is another, and nothing was changed")
			}
		})
	}
}

// SampleDir returns one sample at its own path.
func TestSampleDir(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(h *hand)
		there bool
		want  string // "untouched", or files with their rows
	}{
		{"nothing", func(h *hand) {}, true, "untouched"},
		{"another is changed", func(h *hand) { h.rm("b") }, true, "untouched"},
		{"the one above is changed", func(h *hand) { h.rm("d/sample.x") }, true, "untouched"},
		{"changed", func(h *hand) {
			h.rm("d/a/sample.x")
			h.write("d/a/sample.z", "")
		}, true, "d/a/sample.y:2 d/a/sample.z:-1"},
		{"split", func(h *hand) {
			h.mkdir("d/a/1")
			h.write("d/a/1/sample.x", "")
		}, true, "d/a/1/sample.x:-1 d/a/sample.x:1 d/a/sample.y:2"},
		{"deleted", func(h *hand) { h.rm("d/a") }, false, ""},
		{"deleted with the one above", func(h *hand) { h.rm("d") }, false, ""},
		{"and that one made again", func(h *hand) { h.rm("d"); h.mkdir("d") }, false, ""},
		{"made again", func(h *hand) {
			h.rm("d/a")
			h.mkdir("d/a")
			h.write("d/a/sample.z", "")
		}, true, "d/a/sample.z:-1"},
		{"moved", func(h *hand) { h.mv("d/a", "d/c") }, false, ""},
		{"moved with the one above", func(h *hand) { h.mv("d", "c") }, false, ""},
		{"another in its place", func(h *hand) { h.mv("d/a", "t"); h.mv("b", "d/a") }, false, ""},
		{"a file in its place", func(h *hand) { h.rm("d/a"); h.write("d/a", "") }, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHand(t, shardtest.Open(t, "d.x", "d/a.x", "d/a.y", "b.x"))
			tt.do(h)
			f, there, err := h.o.SampleDir(1)
			shardtest.Check(t, err)
			got := shardtest.DirText(f)
			if f.Untouched {
				got = "untouched"
			}
			if there != tt.there || there && got != tt.want {
				t.Errorf("SampleDir = %v, %q, want %v, %q", there, got, tt.there, tt.want)
			}
		})
	}
}

// Free removes the changes of one sample, and none of those of samples in its directory.
func TestFree(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "a/in.x", "b.x"))
	h.write("a/sample.x", "changed")
	h.mkdir("a/new")
	h.write("a/in/sample.x", "changed in")
	h.write("b/sample.x", "changed b")
	shardtest.Check(t, h.o.Free(0, nil))
	shardtest.Check(t, h.o.Free(2, nil))
	if got := describe(t, h.o); !slices.Equal(got, []string{"M a/in/sample.x"}) {
		t.Errorf("after a and b were freed, the changes are %q", got)
	}
	shardtest.Check(t, h.o.Free(1, nil))
	shardtest.Check(t, h.o.Free(1, nil))
	if got := describe(t, h.o); len(got) > 0 {
		t.Errorf("after all were freed, the changes are %q", got)
	}
}

// The whiteout of a deleted sample is removed, unless it stands for samples in its directory, too.
func TestFreeDeleted(t *testing.T) {
	h := newHand(t, shardtest.Open(t, "a.x", "a/in.x", "b.x"))
	h.rm("a")
	h.rm("b")
	deleted := describe(t, h.o)
	shardtest.Check(t, h.o.Free(0, nil))
	shardtest.Check(t, h.o.Free(1, nil))
	if got := describe(t, h.o); !slices.Equal(got, deleted) {
		t.Errorf("after a and a/in were freed, the changes are %q, want %q", got, deleted)
	}
	shardtest.Check(t, h.o.Free(2, nil))
	if got := describe(t, h.o); len(got) == 0 || slices.Equal(got, deleted) {
		t.Errorf("after b was freed, too, the changes are %q", got)
	}
}

// A reader of a tree that is being changed gets every unchanged sample, and no error.
func TestReadWhileChanging(t *testing.T) {
	var members []string
	for i := range 40 {
		members = append(members, fmt.Sprintf("d%d/s%02d.x", i%4, i))
	}
	h := newHand(t, shardtest.Open(t, members...))
	h.write("d1/s01/sample.x", "changed once")
	reader, err := New(h.scratch, h.o.Shard)
	shardtest.Check(t, err)
	defer reader.Close()
	stop := make(chan struct{})
	var rounds atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for ; ; rounds.Add(1) {
			select {
			case <-stop:
				return
			default:
			}
			h.mv("d0", "moved")
			h.mv("d2/s02", "moved/here")
			h.write("moved/here/sample.new", "new")
			h.rm("moved/here/sample.new")
			h.mkdir("new")
			h.write("new/sample.x", "x")
			h.mv("moved/here", "d2/s02")
			h.rm("new")
			h.mv("moved", "d0")
		}
	})
	defer wg.Wait()
	defer close(stop)
	for reads := 0; (reads < 300 || rounds.Load() < 50) && !t.Failed(); reads++ {
		steady := 0
		for f, err := range reader.Dirs() {
			shardtest.Check(t, err)
			if f.Sample == nil || f.Sample.Number%2 == 0 {
				continue
			}
			steady++
			changed := f.Sample.Number == 1
			if f.Untouched == changed || f.Renamed || changed && shardtest.DirText(f) != "d1/s01/sample.x:-1" {
				t.Fatalf("sample %d, is shown as %+v", f.Sample.Number, f)
			}
		}
		if steady != 20 {
			t.Fatalf("%d unchanged samples, want 20", steady)
		}
		_, _, err := reader.SampleDir(2)
		shardtest.Check(t, err)
	}
}
