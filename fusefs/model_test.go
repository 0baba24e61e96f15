package fusefs

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var long = flag.Bool("long", false, "take the time for many more random operations and kills")

// A model is what a mount must show: the content of a directory tree, kept in memory.
type model struct {
	files map[string]*file // by path; a directory's path is in dirs
	dirs  map[string]bool
	open  []*handle
}

// file is a file or a symbolic link; one with several names is in the model several times.
type file struct {
	content []byte
	target  string // of a link
	link    bool
}

// handle is a file that is held open while other things happen.
type handle struct {
	f  *os.File
	is *file
}

func newModel(members []member, source string) *model {
	m := &model{files: map[string]*file{}, dirs: map[string]bool{"": true}}
	for _, member := range members {
		key, ext, _ := strings.Cut(member.name, ".")
		for dir := key; dir != "."; dir = path.Dir(dir) {
			m.dirs[dir] = true
		}
		m.files[key+"/sample."+ext] = &file{content: []byte(member.content)}
		if m.files[key+"/__key__"] == nil {
			m.files[key+"/__key__"] = &file{content: []byte(key)}
			m.files[key+"/__source__"] = &file{content: []byte(source)}
		}
	}
	return m
}

func (m *model) exists(name string) bool { return m.files[name] != nil || m.dirs[name] }

// within returns the paths below a directory.
func (m *model) within(dir string) []string {
	var all []string
	for name := range m.files {
		if strings.HasPrefix(name, dir+"/") {
			all = append(all, name)
		}
	}
	for name := range m.dirs {
		if strings.HasPrefix(name, dir+"/") {
			all = append(all, name)
		}
	}
	return all
}

// pick returns something from a map, the same for the same random numbers.
func pick[V any](r *rand.Rand, all map[string]V) string {
	return slices.Sorted(maps.Keys(all))[r.IntN(len(all))]
}

// step does one random operation in a directory and in the model, and returns what it did.
func (m *model) step(r *rand.Rand, root string) (what string, err error) {
	host := func(name string) string { return filepath.Join(root, name) }
	file1, dir := pick(r, m.files), pick(r, m.dirs)
	name := path.Join(dir, []string{"x", "y", "sample.a", "sample.b", "__key__", "n", "s0", "d"}[r.IntN(8)])
	if r.IntN(3) == 0 {
		name = file1
		if r.IntN(2) == 0 {
			name = pick(r, m.dirs)
		}
	}
	content := []byte(fmt.Sprintf("content %d ", r.Uint64()))
	if r.IntN(10) == 0 {
		content = []byte(strings.Repeat(string(content), 3000))
	}
	f := m.files[file1]
	// expect compares an error with what the model has foreseen: ok, or that it fails.
	expect := func(err error, ok bool) error {
		if ok && err != nil || !ok && err == nil {
			return fmt.Errorf("%v, but the model says %v", err, ok)
		}
		return nil
	}
	switch n := r.IntN(100); {
	case n < 15:
		what = "create " + name
		g, err := os.OpenFile(host(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		free := !m.exists(name)
		if err := expect(err, free); err != nil || !free {
			return what, err
		}
		_, err = g.Write(content)
		m.files[name] = &file{content: content}
		return what, errors.Join(err, g.Close())
	case n < 25:
		off := r.IntN(30)
		what = fmt.Sprintf("write %s at %d", file1, off)
		if f.link {
			return what, nil
		}
		g, err := os.OpenFile(host(file1), os.O_WRONLY, 0)
		if err != nil {
			return what, err
		}
		_, err = g.WriteAt(content, int64(off))
		if size := off + len(content); size > len(f.content) {
			f.content = append(f.content, make([]byte, size-len(f.content))...)
		}
		f.content = slices.Clone(f.content)
		copy(f.content[off:], content)
		return what, errors.Join(err, g.Close())
	case n < 30:
		size := r.IntN(60)
		what = fmt.Sprintf("truncate %s to %d", file1, size)
		if f.link {
			return what, nil
		}
		f.content = append(slices.Clone(f.content[:min(size, len(f.content))]),
			make([]byte, max(0, size-len(f.content)))...)
		return what, os.Truncate(host(file1), int64(size))
	case n < 34:
		what = "write over " + file1
		if f.link {
			return what, nil
		}
		f.content = content
		return what, os.WriteFile(host(file1), content, 0o644)
	case n < 50:
		what = "rename " + file1 + " to " + name
		ok := !m.dirs[name]
		if err := expect(unix.Rename(host(file1), host(name)), ok); err != nil || !ok {
			return what, err
		}
		if m.files[name] != f { // else it is another name of the same file, and both stay
			delete(m.files, file1)
			m.files[name] = f
		}
		return what, nil
	case n < 62:
		what = "rename directory " + dir + " to " + name
		if dir == "" || name == "" {
			return what, nil
		}
		free := m.files[name] == nil && (!m.dirs[name] || len(m.within(name)) == 0)
		ok := free && !strings.HasPrefix(name, dir+"/") || name == dir
		if err := expect(unix.Rename(host(dir), host(name)), ok); err != nil || !ok || name == dir {
			return what, err
		}
		for _, old := range m.within(dir) {
			if m.dirs[old] {
				delete(m.dirs, old)
				m.dirs[name+old[len(dir):]] = true
			} else {
				m.files[name+old[len(dir):]] = m.files[old]
				delete(m.files, old)
			}
		}
		delete(m.dirs, dir)
		m.dirs[name] = true
		return what, nil
	case n < 72:
		what = "unlink " + file1
		delete(m.files, file1)
		return what, os.Remove(host(file1))
	case n < 76:
		what = "rmdir " + dir
		ok := dir != "" && len(m.within(dir)) == 0
		if dir == "" {
			return what, nil
		}
		if ok {
			delete(m.dirs, dir)
		}
		return what, expect(unix.Rmdir(host(dir)), ok)
	case n < 78:
		what = "remove all of " + dir
		if dir == "" || strings.Count(dir, "/") == 0 && r.IntN(3) > 0 {
			return what, nil
		}
		for _, name := range m.within(dir) {
			delete(m.files, name)
			delete(m.dirs, name)
		}
		delete(m.dirs, dir)
		return what, os.RemoveAll(host(dir))
	case n < 86:
		what = "mkdir " + name
		ok := !m.exists(name)
		if ok {
			m.dirs[name] = true
		}
		return what, expect(os.Mkdir(host(name), 0o755), ok)
	case n < 90:
		what = "link " + file1 + " as " + name
		ok := !m.exists(name)
		if ok {
			m.files[name] = f
		}
		return what, expect(os.Link(host(file1), host(name)), ok)
	case n < 93:
		what = "symlink " + name
		ok := !m.exists(name)
		if ok {
			m.files[name] = &file{link: true, target: "to " + name}
		}
		return what, expect(os.Symlink("to "+name, host(name)), ok)
	case n < 97:
		what = "hold open " + file1
		if f.link || len(m.open) > 20 {
			return what, nil
		}
		g, err := os.OpenFile(host(file1), []int{os.O_RDONLY, os.O_RDWR}[r.IntN(2)], 0)
		m.open = append(m.open, &handle{g, f})
		return what, err
	default:
		what = "close one"
		if len(m.open) == 0 {
			return what, nil
		}
		i := r.IntN(len(m.open))
		h := m.open[i]
		m.open = slices.Delete(m.open, i, i+1)
		what = "close " + h.f.Name()
		return what, errors.Join(h.check(), h.f.Close())
	}
}

// Random operations have the results that a simple model has, in the mount, in what pack sees, after mounting again
// and, which shows that the changes are in its format, when the kernel's overlayfs mounts them over the shard.
func TestRandom(t *testing.T) { withChanges(t, testRandom) }

func testRandom(t *testing.T, kind string) {
	seeds, steps := 4, 1000
	if testing.Short() {
		seeds = 1
	}
	if *long {
		seeds, steps = 200, 2000
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			randomWork(t, kind, rand.New(rand.NewPCG(seed, 1)), steps)
		})
	}
}

func randomWork(t *testing.T, kind string, r *rand.Rand, steps int) {
	var members []member
	for _, key := range []string{"s0", "s0/n", "s0/n/n", "s1", "d/s2", "d/s3", "d/d/s4", "s5"} {
		members = append(members, member{key + ".a", "a of " + key},
			member{key + ".b", strings.Repeat("b of "+key, 1000)})
	}
	mount := mountMembers(t, kind, members...)
	m := newModel(members, mount.shard)
	var history []string
	fail := func(err error) {
		t.Helper()
		if err != nil {
			last := strings.Join(history[max(0, len(history)-25):], "\n")
			t.Fatalf("after %d steps, the last of them\n%s\n%v", len(history), last, err)
		}
	}
	defer func() {
		for _, h := range m.open {
			h.f.Close()
		}
	}()
	fail(m.compare(mount.dir))
	for i := range steps {
		for len(m.files) < 8 { // too little left to work with
			name := path.Join(pick(r, m.dirs), fmt.Sprint("more", r.Uint32()))
			m.files[name] = &file{content: []byte(name)}
			write(t, mount.path(name), name)
		}
		what, err := m.step(r, mount.dir)
		history = append(history, what)
		fail(err)
		switch {
		case i%250 == 249:
			for _, h := range m.open {
				h.f.Close()
			}
			m.open = nil
			mount.restart()
			fail(m.compare(mount.dir))
		case i%50 == 49:
			fail(m.compare(mount.dir))
			fail(m.compareFolders(mount))
		}
	}
	for _, h := range m.open {
		h.f.Close()
	}
	m.open = nil
	if dir := kernelOverlay(t, mount); dir != "" {
		fail(m.compare(dir))
	}
}
