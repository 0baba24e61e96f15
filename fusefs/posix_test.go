package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"golang.org/x/sys/unix"
)

// bed is a directory in which an operation is tried, and the record of its results. Every bed holds the same at first:
// a.txt, b.bin of 300 000 bytes, c.txt, sub/s.txt, sub/sample.s2.txt and other/sample.o.txt.
type bed struct {
	t   *testing.T
	dir string
	out strings.Builder
}

func (b *bed) path(name string) string { return filepath.Join(b.dir, name) }

// note records results of an operation. Of errors it records the number.
func (b *bed) note(what string, values ...any) {
	fmt.Fprintf(&b.out, "%s:", what)
	for _, v := range values {
		var errno syscall.Errno
		if err, ok := v.(error); ok && errors.As(err, &errno) {
			v = unix.ErrnoName(errno)
		}
		fmt.Fprintf(&b.out, " %.200q", fmt.Sprint(v))
	}
	b.out.WriteByte('\n')
}

func (b *bed) sh(command string) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	b.note(command, strings.ReplaceAll(string(out), b.dir, "DIR"), err)
}

func (b *bed) open(name string, flags int) *os.File {
	f, err := os.OpenFile(b.path(name), flags, 0o644)
	b.note("open "+name, err)
	if err != nil {
		b.t.Fatalf("%s: %v", b.dir, err)
	}
	b.t.Cleanup(func() { f.Close() })
	return f
}

func (b *bed) stat(f *os.File) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	b.note("fstat", st.Mode, st.Size, st.Nlink, err)
}

func (b *bed) read(f *os.File) {
	var buf bytes.Buffer
	_, err := io.Copy(&buf, io.NewSectionReader(f, 0, 1<<40))
	b.note("read", buf.Len(), buf.String(), err)
}

func (b *bed) cat(name string) {
	content, err := os.ReadFile(b.path(name))
	b.note("cat "+name, len(content), string(content), err)
}

// Operations in a sample's directory, and in a new one, have the same results as in a plain directory, also for a new
// server.
func TestOrdinaryWork(t *testing.T) { withChanges(t, testOrdinaryWork) }

func testOrdinaryWork(t *testing.T, kind string) {
	needRoot(t)
	files := []member{
		{"a.txt", "some text\n\n\n"}, {"b.bin", strings.Repeat("0123456789ab\x00\xff\n", 20_000)},
		{"c.txt", "other text\n"},
		{"sub/s.txt", "s"}, {"sub/s2.txt", "s2"}, {"other/o.txt", "o"},
	}
	// In the shard they are members of a sample and of samples nested in it, so they have the names of members.
	var members []member
	for i := range operations {
		for _, f := range files {
			key := fmt.Sprintf("op%d.", i)
			if dir, name := filepath.Split(f.name); dir != "" {
				key, f.name = fmt.Sprintf("op%d/%s.", i, filepath.Clean(dir)), name
			}
			members = append(members, member{key + f.name, f.content})
		}
	}
	m := mountMembers(t, kind, members...)
	plain := t.TempDir()
	m.sh("", "cp -a op* "+plain+"; mkdir new; cp -a op* new")
	after := map[string]string{}
	for i, op := range operations {
		base := fmt.Sprintf("op%d", i)
		t.Run(op.name, func(t *testing.T) {
			beds := []*bed{
				{t: t, dir: filepath.Join(plain, base)}, {t: t, dir: m.path(base)}, {t: t, dir: m.path("new/" + base)},
			}
			for _, b := range beds {
				rename(b.dir)
				op.do(b)
				fmt.Fprintf(&b.out, "in the end:\n%s", snapshot(t, b.dir))
			}
			want := beds[0].out.String()
			for i, b := range beds[1:] {
				want := want
				if i == 0 && kind == withOverlay && op.name == "delete a directory that is open" {
					// Overlayfs counts 1 link of a directory that is merged with a lower one, even when it is deleted.
					want = strings.Replace(want, `fstat: "<nil>" "0"`, `fstat: "<nil>" "1"`, 1)
				}
				if got := b.out.String(); got != want {
					t.Errorf("%s: %s", b.dir, difference(got, want))
				}
				after[b.dir] = snapshot(t, b.dir)
			}
		})
	}
	m.restart()
	for dir, want := range after {
		if got := snapshot(t, dir); got != want {
			t.Errorf("%s, mounted again: %s", dir, difference(got, want))
		}
	}
}

// rename gives the members' files in a bed, which are called sample.EXTENSION, the names that the operations use. It is
// one more operation, the same in every bed.
func rename(dir string) {
	for from, to := range map[string]string{
		"sample.a.txt": "a.txt", "sample.b.bin": "b.bin", "sample.c.txt": "c.txt", "sub/sample.s.txt": "sub/s.txt",
	} {
		os.Rename(filepath.Join(dir, from), filepath.Join(dir, to))
	}
}

// snapshot describes everything in a directory.
func snapshot(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	check(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		content := ""
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			c, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if len(c) > 100 {
				content = fmt.Sprintf("%d bytes, %x", len(c), crc32.ChecksumIEEE(c))
			} else {
				content = fmt.Sprintf("%q", c)
			}
		case unix.S_IFLNK:
			if content, err = os.Readlink(name); err != nil {
				return err
			}
		}
		rel, err := filepath.Rel(dir, name)
		if e.IsDir() {
			st.Size, st.Nlink = 0, 0
		}
		fmt.Fprintf(&b, "%s %o %d %d %d %d %s\n", rel, st.Mode, st.Size, st.Nlink, st.Uid, st.Gid, content)
		return err
	}))
	return b.String()
}

// difference names the first line in which two texts differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("got  %s\nwant %s", g[i], w[i])
		}
	}
	n := min(len(g), len(w))
	return fmt.Sprintf("got %d lines, want %d: %q", len(g), len(w), append(g[n:], w[n:]...))
}

// TestPosix runs go-fuse's conformance tests in a sample's directory and in a new one.
func TestPosix(t *testing.T) { withChanges(t, testPosix) }

func testPosix(t *testing.T, kind string) {
	left := map[string]string{
		"FcntlFlockLocksFile": "go-fuse leaves it out itself: locks of one process do not exclude each other",
		"OpenSymlinkRace":     "go-fuse leaves it out itself",
	}
	// Each gets a directory of its own, one that a sample of the shard has emptied and one that is new.
	var members []member
	for name := range posixtest.All {
		members = append(members, member{"base/" + name + ".x", "x"})
	}
	m := mountMembers(t, kind, members...)
	check(t, os.Mkdir(m.path("new"), 0o755))
	for name, test := range posixtest.All {
		for _, parent := range []string{"base", "new"} {
			t.Run(parent+"/"+name, func(t *testing.T) {
				if why := left[name]; why != "" {
					t.Skip(why)
				}
				dir := m.path(parent + "/" + name)
				if parent == "new" {
					check(t, os.Mkdir(dir, 0o755))
				} else {
					m.sh(parent+"/"+name, "rm *")
				}
				test(t, dir)
			})
		}
	}
}
