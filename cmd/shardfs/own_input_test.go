package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOwnInput has commands write, at random, a file that they or a mount read, under every kind of name. Each must be
// refused, and no input may change by a byte.
func TestOwnInput(t *testing.T) {
	p := newPlace(t, someSamples(t, 3, 100))
	seed := uint64(manyOrFew(os.Getpid(), 1))
	t.Logf("seed %d", seed)
	w := &ownInputs{place: p, rand: rand.New(rand.NewPCG(12, seed))}
	w.prepare()
	for n := range manyOrFew(1000, 60) {
		args := w.command(n)
		r := p.run(fault{}, args...)
		if r.status != exitUsage || !bytes.Contains([]byte(r.stderr), []byte("it is ")) {
			t.Errorf("%q: exit status %d, want 64: %s", args, r.status, r.stderr)
		}
		for name, content := range w.inputs {
			if got, err := os.ReadFile(p.path(name)); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%q: %s has changed: %d bytes, %v", args, name, len(got), err)
			}
		}
	}
	for _, bound := range w.bound {
		p.must(unix.Unmount(p.path(bound), 0))
	}
	for _, m := range w.mounted {
		if r := p.run(fault{}, "umount", m); r.status != 0 {
			t.Errorf("umount: %s", r.stderr)
		}
	}
	if left := leftovers(p.dir, p.patient); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// ownInputs makes the commands of TestOwnInput.
type ownInputs struct {
	*place
	rand    *rand.Rand
	inputs  map[string][]byte
	mounted []string // mountpoints
	bound   []string // files that are bind mounts of others
}

// prepare makes the inputs: each has a name that an output may have.
func (w *ownInputs) prepare() {
	w.t.Helper()
	shard, err := os.ReadFile(w.path("in.tar"))
	w.must(err)
	w.inputs = map[string][]byte{
		"in.tar": shard, "second.tar": shard, "with.tar": shard, "mounted.tar": shard,
		"keys.tar": []byte("0000\n"), "list.tar": []byte("in.tar\n"), "folder/0000.tar": []byte("a member"),
		"folder/table.csv": []byte("key,txt\n0000,text\n"),
	}
	w.must(os.MkdirAll(w.path("folder"), 0o777))
	w.must(os.MkdirAll(w.path("mnt"), 0o777))
	w.must(os.Symlink(".", w.path("here")))
	for name, content := range w.inputs {
		w.must(os.WriteFile(w.path(name), content, 0o666))
	}
	w.mount("mounted.tar", "mnt")
}

// mount mounts a shard where that is possible.
func (w *ownInputs) mount(shard, mountpoint string) {
	w.t.Helper()
	if !slices.Contains(workspaces(w.t), "fuse") {
		delete(w.inputs, shard)
		return
	}
	if r := w.run(fault{}, "mount", shard, mountpoint); r.status != 0 {
		w.t.Fatalf("mount: %s", r.stderr)
	}
	w.mounted = append(w.mounted, mountpoint)
}

// command returns the nth command line: it writes one of the files that it or the mount reads.
func (w *ownInputs) command(n int) []string {
	commands := []struct {
		args   []string
		reads  []string
		writes []string // flags that name a file
	}{
		{[]string{"pack", "in.tar", "second.tar"}, []string{"in.tar", "second.tar"}, []string{"-o"}},
		{[]string{"pack", "in.tar", "--with", "with.tar"}, []string{"in.tar", "with.tar"}, []string{"-o"}},
		{[]string{"pack", "in.tar", "-n", "1", "--keys", "keys.tar"}, []string{"in.tar", "keys.tar"}, []string{"-o"}},
		{[]string{"pack", "@list.tar"}, []string{"in.tar", "list.tar"}, []string{"-o"}},
		{[]string{"pack", "folder"}, []string{"folder/0000.tar"}, []string{"-o"}},
		{
			[]string{"run", "-c", "touch $WORK/ran", "in.tar"}, []string{"in.tar"},
			[]string{"-o", "--failed", "--report"},
		},
		{
			[]string{"run", "-c", "touch $WORK/ran", "--keys", "keys.tar", "in.tar"}, []string{"in.tar", "keys.tar"},
			[]string{"-o", "--failed", "--report"},
		},
		{[]string{"run", "--workspace", "dir", "-c", "true", "second.tar"}, []string{"second.tar"}, []string{"-o"}},
	}
	c := commands[w.rand.IntN(len(commands))]
	reads := c.reads
	if len(w.mounted) > 0 && c.args[1] != "folder" {
		reads = append(slices.Clone(reads), "mounted.tar")
	}
	flag := c.writes[w.rand.IntN(len(c.writes))]
	return append(slices.Clone(c.args), flag, w.another(reads[w.rand.IntN(len(reads))], n))
}

// another returns another name of a file.
func (w *ownInputs) another(name string, n int) string {
	w.t.Helper()
	alias := fmt.Sprintf("alias-%d.tar", n)
	kinds := []func() string{
		func() string { return name },
		func() string { return "./" + name },
		func() string { return "here/here/" + name },
		func() string { return "file://" + w.path("folder/../"+name) },
		func() string {
			w.must(os.Symlink(name, w.path(alias)))
			return alias
		},
		func() string {
			w.must(os.Symlink(w.path("here", name), w.path("to-"+alias)))
			w.must(os.Symlink("to-"+alias, w.path(alias)))
			return alias
		},
	}
	if name != "folder/0000.tar" { // files in a folder are known by where they are
		kinds = append(kinds, func() string {
			w.must(os.Link(w.path(name), w.path(alias)))
			return alias
		}, func() string {
			w.must(os.WriteFile(w.path(alias), nil, 0o666))
			if err := unix.Mount(w.path(name), w.path(alias), "", unix.MS_BIND, ""); err != nil {
				return name // only root can
			}
			w.bound = append(w.bound, alias)
			return alias
		})
	}
	return kinds[w.rand.IntN(len(kinds))]()
}
