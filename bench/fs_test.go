package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFiles(t *testing.T) {
	f := photos(5).files(2, asSample, "cls", "jpg").first(4)
	want := []string{"000000/sample.cls", "000000/sample.jpg", "000002/sample.cls", "000002/sample.jpg"}
	if !slices.Equal(f.names, want) {
		t.Errorf("names = %q, want %q", f.names, want)
	}
	if got, want := f.below("/mnt")[3], "/mnt/000002/sample.jpg"; got != want {
		t.Errorf("below = %q, want %q", got, want)
	}
	if got, want := photos(5).files(1, asMember, "cls", "jpg", "json").size(), photos(5).bodies(); got != want {
		t.Errorf("size = %d, want %d", got, want)
	}
}

// Each task works on the extracted files, and detects changes of them.
func TestTasks(t *testing.T) {
	b, s := benchIn(t.TempDir()), photos(5)
	if _, err := b.draw(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	root, err := b.extract(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	pictures, all := s.files(1, asSample, "jpg"), s.files(1, asSample, "cls", "jpg", "json")
	tasks := map[string]task{
		"reading":      pictures.reading(1),
		"reading by 3": all.reading(3),
		"pages":        pictures.readingPages(500),
		"statting":     all.statting(2),
		"walking":      walking(s.bodies()),
	}
	for name, task := range tasks {
		for range 2 {
			if _, err := task.run(t.Context(), root); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}

	last := filepath.Join(root, "000004", "sample.jpg")
	content, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(last, append([]byte("longer"), content...), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, task := range tasks {
		if _, err := task.run(t.Context(), root); err == nil {
			t.Errorf("%s does not notice a changed file", name)
		}
	}
}

func TestCreating(t *testing.T) {
	dir := t.TempDir()
	create := files{names: []string{"a", "b", "c"}}.creating(2)
	if _, err := create.run(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if _, err := create.run(t.Context(), dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating again gives %v, want %v", err, os.ErrExist)
	}
}

// Workers do each part once, and stop at an error.
func TestShare(t *testing.T) {
	number := func(i int, _ []byte) (int, error) { return i, nil }
	for _, workers := range []int{1, 3, 20} {
		if _, sum, err := share(t.Context(), workers, 10, number); sum != 45 || err != nil {
			t.Errorf("by %d: %d, %v, want 45", workers, sum, err)
		}
	}
	bad := errors.New("bad")
	if _, _, err := share(t.Context(), 3, 10, func(int, []byte) (int, error) { return 0, bad }); !errors.Is(err, bad) {
		t.Errorf("share = %v, want %v", err, bad)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := share(ctx, 3, 10, number); !errors.Is(err, context.Canceled) {
		t.Errorf("share = %v, want %v", err, context.Canceled)
	}
}

// A place is made once for all tasks of a visit, and removed even if a task fails.
func TestVisit(t *testing.T) {
	var visits, left int
	p := place{root: "/mnt", made: "mount", enter: func(context.Context) (func() (memory, error), error) {
		visits++
		return func() (memory, error) { left++; return memory{peak: 7}, nil }, nil
	}}
	taking := func(name string, seconds float64, err error) step {
		return step{timed(name, work{}),
			task{"# work below", func(context.Context, string) (float64, error) { return seconds, err }}}
	}
	visit := p.weighed(quantity("peak", "B"), taking("first", 2, nil), taking("second", 1, nil))
	if err := rounds(t.Context(), "test", 3, &plan{trials: []*trial{visit}}, nil); err != nil {
		t.Fatal(err)
	}
	if visits != 3 || left != 3 {
		t.Errorf("entered %d and left %d times, want 3", visits, left)
	}
	for i, want := range [][]float64{{2, 2, 2}, {1, 1, 1}, {7, 7, 7}} {
		if got := visit.figures[i].values; !slices.Equal(got, want) {
			t.Errorf("figure %d = %v, want %v", i, got, want)
		}
	}
	if got, want := visit.command, "mount\n# work below /mnt\n# work below /mnt"; got != want {
		t.Errorf("command = %q, want %q", got, want)
	}
	bad := errors.New("bad")
	if _, err := p.visit(taking("bad", 0, bad)).run(t.Context()); !errors.Is(err, bad) || left != 4 {
		t.Errorf("run = %v, left %d times, want %v, 4", err, left, bad)
	}
}
