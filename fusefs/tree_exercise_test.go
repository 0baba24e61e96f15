package fusefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Many workers can use a plain directory or a sample's directory at the same time.
func TestTreeExercise(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		treeSeeds(t, func(t *testing.T, seed uint64, operations int) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "sample.jpg"), "at first")
			treeExercise(t, dir, seed, operations, 4)
		})
	})
	withChanges(t, func(t *testing.T, kind string) {
		treeSeeds(t, func(t *testing.T, seed uint64, operations int) {
			m := mountMembers(t, kind, samples(3)...)
			treeExercise(t, m.path("000000"), seed, operations, 4)
			m.restart()
			if left := names(t, m.path("000000")); len(left) > 0 {
				t.Errorf("mounted again, there is %q", left)
			}
			if log := m.logged(); len(log) > 0 {
				t.Errorf("the server has logged %q", log)
			}
		})
	})
}

// treeSeeds runs a test with random numbers of several seeds.
func treeSeeds(t *testing.T, test func(t *testing.T, seed uint64, operations int)) {
	seeds, operations := 1, 1000
	if *long {
		seeds, operations = 5, 8000
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { test(t, seed, operations) })
	}
}

// treeWorker is one of several workers in a tree.
type treeWorker struct {
	r     *rand.Rand
	root  string
	first map[string][]byte // initial contents of files
	noise []byte            // each byte of a file equals this at its offset, or zero, or the initial content
	files []*os.File        // open files, the one opened last at the end
	dirs  []*os.File        // open directories
	done  []int             // successes of each operation
}

func (w *treeWorker) attribute() string { return fmt.Sprint("user.x", w.r.IntN(3)) }

// path picks the path of a directory or of a file. The name may be missing, or that of the other kind.
func (w *treeWorker) path(dirs bool) string {
	name := w.root
	dir := func() string { return fmt.Sprint("d", w.r.IntN(3)) }
	for range w.r.IntN(3) {
		name = filepath.Join(name, dir())
	}
	switch {
	case dirs != (w.r.IntN(8) == 0):
		return filepath.Join(name, dir())
	case len(w.first) > 0 && w.r.IntN(4) == 0:
		return filepath.Join(name, pick(w.r, w.first))
	}
	return filepath.Join(name, fmt.Sprint("f", w.r.IntN(6)))
}

// open opens a file or directory and holds it open until some more are.
func (w *treeWorker) open(held *[]*os.File, name string, flags int) error {
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return err
	}
	*held = append(*held, f)
	if len(*held) <= 4 {
		return nil
	}
	f, *held = (*held)[0], (*held)[1:]
	return f.Close()
}

func (w *treeWorker) rename(a, b string) error {
	flags := uint(0)
	if w.r.IntN(4) == 0 {
		flags = unix.RENAME_NOREPLACE
	}
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, flags); err != nil {
		return &os.LinkError{Op: "rename", Old: a, New: b, Err: err}
	}
	return nil
}

// checkBytes finds bytes in a file that no worker has written at their offset.
func (w *treeWorker) checkBytes(got []byte) error {
next:
	for i, c := range got {
		if c == 0 || i < len(w.noise) && c == w.noise[i] {
			continue
		}
		for _, first := range w.first {
			if i < len(first) && first[i] == c {
				continue next
			}
		}
		return fmt.Errorf("byte %d of %d is %#02x, which no worker has written there", i, len(got), c)
	}
	return nil
}

// work does random operations until something fails.
func (w *treeWorker) work(operations int, stop *atomic.Bool) (err error) {
	defer func() {
		for _, f := range append(w.files, w.dirs...) {
			err = errors.Join(err, f.Close())
		}
	}()
	var lots []int // each operation, repeated by its weight
	for i, op := range treeOperations {
		lots = append(lots, slices.Repeat([]int{i}, op.weight)...)
	}
	for n := 0; n < operations && !stop.Load(); n++ {
		i := lots[w.r.IntN(len(lots))]
		op := treeOperations[i]
		a := w.path(op.dirs)
		fine := append(slices.Clone(nameless), op.fine...)
		if op.do != nil {
			err = op.do(w, a)
		} else {
			held, flags := &w.files, os.O_RDWR
			if op.dirs {
				held, flags = &w.dirs, os.O_RDONLY|unix.O_DIRECTORY
			}
			if fine = append(fine, unix.EISDIR); len(*held) == 0 || w.r.IntN(2) == 0 {
				err = w.open(held, a, flags)
			}
			if err == nil {
				f := (*held)[w.r.IntN(len(*held))]
				a, fine = f.Name()+", as it was called when it was opened", append(slices.Clone(op.fine), unix.ENOSPC)
				err = op.on(w, f)
			}
		}
		var errno syscall.Errno
		switch {
		case err == nil:
			w.done[i]++
		case !errors.As(err, &errno) || !slices.Contains(fine, errno):
			return fmt.Errorf("operation %d: %s: %s: %w", n, op.name, a, err)
		}
		err = nil
	}
	return nil
}

// treeExercise lets several workers do random operations in one directory, this many each. They interfere with each
// other, so each operation may fail with some errors, but with no others; afterwards the tree must be consistent, and
// removable. Files that are in the directory at first take part.
func treeExercise(t testing.TB, dir string, seed uint64, operations, workers int) {
	t.Helper()
	first := map[string][]byte{}
	for _, name := range names(t, dir) {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			first[name] = []byte(read(t, filepath.Join(dir, name)))
		}
	}
	var wg sync.WaitGroup
	var stop atomic.Bool
	all := make([]*treeWorker, workers)
	for n := range all {
		w := &treeWorker{
			r: rand.New(rand.NewPCG(seed, uint64(n))), root: dir, first: first,
			noise: noise(seed, largest), done: make([]int, len(treeOperations)),
		}
		all[n] = w
		wg.Go(func() {
			if err := w.work(operations, &stop); err != nil {
				stop.Store(true)
				t.Errorf("worker %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if stop.Load() {
		t.FailNow()
	}
	var never []string
	for i, op := range treeOperations {
		if !slices.ContainsFunc(all, func(w *treeWorker) bool { return w.done[i] > 0 }) {
			never = append(never, op.name)
		}
	}
	walked := walkTree(t, dir, all[0])
	if again := walkTree(t, dir, all[0]); again != walked {
		t.Errorf("%s, walked again: %s", dir, difference(again, walked))
	}
	t.Logf("%s: %d names in the end; what has never succeeded: %q", dir, strings.Count(walked, "\n"), never)
	for _, name := range names(t, dir) {
		check(t, os.RemoveAll(filepath.Join(dir, name)))
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("%s: all is removed, but there is %q", dir, left)
	}
}

// walkTree describes the names in a directory after workers have changed it, in a line each, and checks that their
// types, sizes, links and contents are consistent.
func walkTree(t testing.TB, dir string, w *treeWorker) string {
	t.Helper()
	var b strings.Builder
	links := map[uint64]uint64{}  // the names found, by inode
	counts := map[uint64]uint64{} // the number that files say they have
	found := map[string]bool{}
	check(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return fmt.Errorf("%s is listed, but: %w", name, err)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if found[name] || info.Mode().Type() != e.Type() {
			return fmt.Errorf("%s is listed twice, or as %v and is %v", name, e.Type(), info.Mode())
		}
		found[name] = true
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			st.Size, st.Nlink = 0, 0
		case unix.S_IFREG:
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			err = forget(f)
			got, readErr := io.ReadAll(f)
			if int64(len(got)) != st.Size {
				err = errors.Join(err, fmt.Errorf("%d bytes, but stat says %d", len(got), st.Size))
			}
			if err = errors.Join(err, readErr, w.checkBytes(got)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			links[st.Ino]++
			counts[st.Ino] = st.Nlink
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err == nil && int64(len(target)) != st.Size {
				err = fmt.Errorf("%s leads to %q, but stat says %d bytes", name, target, st.Size)
			}
			if err != nil {
				return err
			}
			links[st.Ino]++
			counts[st.Ino] = st.Nlink
		default:
			return fmt.Errorf("%s is a %v", name, e.Type())
		}
		fmt.Fprintf(&b, "%s %o %d %d\n", name, st.Mode, st.Size, st.Nlink)
		return nil
	}))
	for ino, n := range links {
		if counts[ino] != n {
			t.Errorf("%s: inode %d says that it has %d names, and has %d", dir, ino, counts[ino], n)
		}
	}
	return b.String()
}
