package fusefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestView(t *testing.T) { withChanges(t, testView) }

func testView(t *testing.T, kind string) {
	long := strings.Repeat("x", 200)
	for _, name := range []string{"shard.tar", "shard.tar.gz"} {
		t.Run(name, func(t *testing.T) {
			shard := filepath.Join(t.TempDir(), name)
			writeShard(t, shard, []member{
				{"z.jpg", "z picture"}, {"z.cls", "26"}, // tar order, not alphabetical
				{"a.seg.png", "mask"}, {"a.seg.png", "second mask"}, {"a.__key__", "a member, not the key"},
				{"a/b.txt", "nested in a sample"},
				{"dir/deep/c.txt", "nested"}, {"dir/deep/c.empty", ""},
				{"README", "belongs to no sample"},
				{"z.jpg", "z again"},
				{"..dotty/x.txt", "parent-like"}, {"../y.txt", "parent"}, {"/abs.txt", "absolute"},
				{"spa ce.txt", "a space"}, {"new\nline.txt", "a newline"}, {"\xff\xfe.txt", "no UTF-8"},
				{"a/sample.jpg/d.txt", "would hide a's own file"},
				{long + long + ".txt", "too long a name"},
				{"big.bin", strings.Repeat("0123456789abcdef", 100_000)},
			})
			m := mountShard(t, shard, kind)
			for _, tt := range []struct{ path, want string }{
				{"z/sample.jpg", "z picture"}, {"z/sample.cls", "26"}, {"z/__key__", "z"}, {"z/__source__", m.shard},
				{"a/sample.seg.png", "mask"}, {"a/sample~2.seg.png", "second mask"},
				{"a/sample.__key__", "a member, not the key"}, {"a/__key__", "a"},
				{"a/b/sample.txt", "nested in a sample"}, {"a/b/__key__", "a/b"},
				{"dir/deep/c/sample.txt", "nested"}, {"dir/deep/c/sample.empty", ""},
				{"z~2/sample.jpg", "z again"}, {"z~2/__key__", "z"},
				{"..dotty/x/sample.txt", "parent-like"}, {"%2E%2E/y/sample.txt", "parent"},
				{"%2E%2E/y/__key__", "../y"},
				{"%/abs/sample.txt", "absolute"}, {"%/abs/__key__", "/abs"},
				{"spa ce/sample.txt", "a space"}, {"new\nline/sample.txt", "a newline"},
				{"\xff\xfe/sample.txt", "no UTF-8"},
				{"a/%73ample.jpg/d/sample.txt", "would hide a's own file"},
				{"big/sample.bin", strings.Repeat("0123456789abcdef", 100_000)},
			} {
				if got := read(t, m.path(tt.path)); got != tt.want {
					t.Errorf("%q holds %.60q, want %.60q", tt.path, got, tt.want)
				}
			}
			want := []string{
				"z", "a", "dir", "z~2", "..dotty", "%2E%2E", "%", "spa ce", "new\nline", "\xff\xfe", "", "big",
			}
			got := names(t, m.dir)
			if len(got) == len(want) {
				cut := &got[len(got)-2]
				if key := read(t, m.path(*cut+"/__key__")); len(*cut) > 255 || key != long+long {
					t.Errorf("the long name is shown as %q, with the key %q", *cut, key)
				}
				*cut = ""
			}
			if !slices.Equal(got, want) {
				t.Errorf("the root lists %q, want %q", got, want)
			}
			want = []string{
				"__key__", "__source__", "sample.seg.png", "sample~2.seg.png", "sample.__key__", "b", "%73ample.jpg",
			}
			if got := names(t, m.path("a")); !slices.Equal(got, want) {
				t.Errorf("a lists %q, want %q", got, want)
			}
			st, err := os.Stat(m.path("z/sample.jpg"))
			if err != nil || st.Mode() != 0o644 || st.ModTime().Unix() != 1700000000 {
				t.Errorf("z/sample.jpg: %v, %v", st, err)
			}
			if _, err := os.Stat(m.path("README")); !os.IsNotExist(err) {
				t.Errorf("README: %v, want that it does not exist", err)
			}
			if _, err := os.Stat(m.path("z/" + long + long)); err == nil || !strings.Contains(err.Error(), "too long") {
				t.Errorf("a name of 400 bytes: %v", err)
			}
		})
	}
}

// Changed files keep their place in a listing; added files come after those of the shard, by name.
func TestListingOrder(t *testing.T) { withChanges(t, testListingOrder) }

func testListingOrder(t *testing.T, kind string) {
	m := mountMembers(t, kind,
		member{"s.b", "b"}, member{"s.a", "a"}, member{"s.c", "c"}, member{"s/n.x", "x"}, member{"r.x", "x"})
	m.sh("s", "echo new >sample.new; echo changed >sample.a; rm sample.b; mkdir beta alpha")
	want := []string{"__key__", "__source__", "sample.a", "sample.c", "n", "alpha", "beta", "sample.new"}
	for range 2 {
		got := names(t, m.path("s"))
		if kind == withOverlay {
			slices.Sort(got[min(5, len(got)):]) // in the scratch's own order
		}
		if !slices.Equal(got, want) {
			t.Errorf("s lists %q, want %q", got, want)
		}
		const list = `ls -1iU | while read i name; do test $i = $(stat -c %i $name) || echo $name; done`
		if got := m.sh("s", list); got != "" {
			t.Errorf("the listing has other inode numbers than stat for %q", got)
		}
		m.restart()
	}
	m.sh("", "mv s zz; mkdir aa")
	if got, want := names(t, m.dir), []string{"r", "aa", "zz"}; !slices.Equal(got, want) && kind == withFUSE {
		t.Errorf("the root lists %q, want %q", got, want)
	}
}

// Each offset in a listing leads to the entry after it, as seekdir needs.
func TestSeekDir(t *testing.T) { withChanges(t, testSeekDir) }

func testSeekDir(t *testing.T, kind string) {
	members := samples(300)
	for i := range 300 {
		members = append(members, member{fmt.Sprintf("big.%03d", i), "x"})
	}
	m := mountMembers(t, kind, append(members, member{"big/nested.x", "x"})...)
	for i := range 300 {
		write(t, m.path(fmt.Sprintf("big/added%d", i)), "x")
	}
	for _, dir := range []string{"", "big"} {
		fd, err := unix.Open(m.path(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		check(t, err)
		defer unix.Close(fd)
		all := readDirents(t, fd, 1<<16)
		if len(all) < 300 {
			t.Fatalf("%q lists %d entries", dir, len(all))
		}
		for i := len(all) - 2; i >= 0; i -= 7 {
			_, err := unix.Seek(fd, all[i].off, 0)
			check(t, err)
			if rest := readDirents(t, fd, 4096); !slices.Equal(rest, all[i+1:]) {
				t.Fatalf("%q: after %q come %d entries, want %d", dir, all[i].name, len(rest), len(all)-i-1)
			}
		}
	}
}

type dirent struct {
	name string
	off  int64
}

// readDirents reads a directory from where it stands to its end.
func readDirents(t *testing.T, fd, size int) []dirent {
	t.Helper()
	var all []dirent
	for buf := make([]byte, size); ; {
		n, err := unix.ReadDirent(fd, buf)
		check(t, err)
		if n == 0 {
			return all
		}
		for b := buf[:n]; len(b) > 0; {
			length := int(b[16]) | int(b[17])<<8
			name, _, _ := strings.Cut(string(b[19:length]), "\x00")
			var off int64
			for i := range 8 {
				off |= int64(b[8+i]) << (8 * i)
			}
			all = append(all, dirent{name, off})
			b = b[length:]
		}
	}
}

func TestDeleteWhileListing(t *testing.T) { withChanges(t, testDeleteWhileListing) }

func testDeleteWhileListing(t *testing.T, kind string) {
	const n = 1200 // names, which take several reads of the directory
	members := []member{{"keep.txt", "x"}}
	for i := range n / 3 {
		members = append(members, member{fmt.Sprintf("dirs/%d.x", i), "x"})
	}
	for i := range n / 3 {
		members = append(members, member{fmt.Sprintf("big.%d", i), "x"})
	}
	m := mountMembers(t, kind, members...)
	check(t, os.Mkdir(m.path("new"), 0o755))
	for i := range n {
		check(t, os.Link(m.path("keep/sample.txt"), m.path(fmt.Sprintf("new/%d", i))))
	}
	for dir, n := range map[string]int{"big": n / 3, "new": n} {
		f, err := os.Open(m.path(dir))
		check(t, err)
		deleted := 0
		for {
			some, err := f.Readdirnames(100)
			for _, name := range some {
				check(t, os.Remove(m.path(dir+"/"+name)))
				deleted++
			}
			if err != nil {
				break
			}
		}
		f.Close()
		if deleted < n {
			t.Errorf("%s: a listing while its entries are deleted has shown %d of %d", dir, deleted, n)
		}
		check(t, os.Remove(m.path(dir)))
	}
	m.sh("", "rm -r dirs; ! ls big new dirs 2>/dev/null; mkdir big; test -z \"$(ls big)\"; touch big/x; rm -r big")
	if got := names(t, m.dir); !slices.Equal(got, []string{"keep"}) {
		t.Errorf("the root lists %.200q", got)
	}
}

func TestLargeRoot(t *testing.T) { withChanges(t, testLargeRoot) }

func testLargeRoot(t *testing.T, kind string) {
	const n = 20_000
	m := mountMembers(t, kind, samples(n)...)
	check(t, os.Remove(m.path("000007/sample.cls")))
	m.sh("", "rm -r 000008")
	got := names(t, m.dir)
	if len(got) != n-1 || !slices.IsSorted(got) {
		t.Errorf("the root lists %d entries, want %d in tar order", len(got), n-1)
	}
	if out := m.sh("", "ls -U | wc -l; find 0001* -type f | wc -l"); out != fmt.Sprintf("%d\n400\n", n-1) {
		t.Errorf("ls and find count %q", out)
	}
}

// A read-only mount shows the changes of a writable one, and permits no more.
func TestReadOnly(t *testing.T) { withChanges(t, testReadOnly) }

func testReadOnly(t *testing.T, kind string) {
	m := mountMembers(t, kind, append(samples(300), member{"many.x", "x"})...)
	m.sh("000000", "echo changed >sample.cls; rm sample.jpg; ln -s sample.cls link; mkdir dir; echo in >dir/file")
	for i := range 500 {
		write(t, m.path(fmt.Sprintf("many/added%d", i)), "x")
	}
	m.sh("", "mv 000001 moved; mkdir new; echo new >new/sample.x")
	want := snapshot(t, m.dir)
	listed := names(t, m.path("many"))
	t.Setenv(readOnlyVariable, "1")
	m.restart()
	for range 2 {
		if got := snapshot(t, m.dir); got != want {
			t.Errorf("the read-only mount shows something else: %s", difference(got, want))
		}
		if got := names(t, m.path("many")); !slices.Equal(got, listed) {
			t.Errorf("it lists %d entries, want %d", len(got), len(listed))
		}
	}
	if err := os.WriteFile(m.path("000000/x"), nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("write: %v, want EROFS", err)
	}
	if err := os.Remove(m.path("000000/sample.cls")); !errors.Is(err, unix.EROFS) {
		t.Errorf("remove: %v, want EROFS", err)
	}
}
