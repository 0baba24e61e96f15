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

// Each task can be done in the extracted files, and notices when they are not what they were.
func TestTasks(t *testing.T) {
	b, s := &bench{dir: t.TempDir()}, photos(5)
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

// Whoever shares work does each part once, and stops at an error.
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

// A place is entered once for all that is done in it, and left whatever happens there.
func TestDo(t *testing.T) {
	var visits, left int
	p := place{root: "/mnt", made: "mount", enter: func(context.Context) (func() error, error) {
		visits++
		return func() error { left++; return nil }, nil
	}}
	taking := func(seconds float64, err error) task {
		return task{"# work below", func(context.Context, string) (float64, error) { return seconds, err }}
	}
	sides := p.do(taking(2, nil), taking(1, nil))
	if err := (&bench{rounds: 3}).interleave(t.Context(), "test", sides[0]); err != nil {
		t.Fatal(err)
	}
	if visits != 3 || left != 3 {
		t.Errorf("entered %d and left %d times, want 3", visits, left)
	}
	if !slices.Equal(sides[0].took, []float64{2, 2, 2}) || !slices.Equal(sides[1].took, []float64{1, 1, 1}) {
		t.Errorf("took %v and %v", sides[0].took, sides[1].took)
	}
	if got, want := sides[1].command, "mount\n# work below /mnt\n# work below /mnt"; got != want {
		t.Errorf("command = %q, want %q", got, want)
	}
	bad := errors.New("bad")
	if _, err := p.do(taking(0, bad))[0].run(t.Context()); !errors.Is(err, bad) || left != 4 {
		t.Errorf("run = %v, left %d times, want %v, 4", err, left, bad)
	}
}
