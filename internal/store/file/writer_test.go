package file

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// names returns what is in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func mustCreate(t *testing.T, name string, replace bool) *writer {
	t.Helper()
	return create(t, name, store.Options{Replace: replace})
}

func create(t *testing.T, name string, o store.Options) *writer {
	t.Helper()
	w, err := local.Create(t.Context(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	return w.(*writer)
}

func mustWrite(t *testing.T, o *writer, content string) {
	t.Helper()
	if n, err := io.WriteString(o, content); n != len(content) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
}

// checkFile checks that a directory holds this file and no other.
func checkFile(t *testing.T, name, content string) {
	t.Helper()
	if got := names(t, filepath.Dir(name)); !slices.Equal(got, []string{filepath.Base(name)}) {
		t.Errorf("files: %q, want only %q", got, filepath.Base(name))
	}
	if got, err := os.ReadFile(name); string(got) != content || err != nil {
		t.Errorf("content: %.100q, %v, want %.100q", got, err, content)
	}
}

// A file appears under its name when it is whole, and not before.
func TestWriter(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out.tar")
	for _, name := range []string{name, "file://" + name} {
		o := mustCreate(t, name, false)
		mustWrite(t, o, "0123")
		mustWrite(t, o, "4567")
		if got := names(t, dir); len(got) != 1 || got[0] == "out.tar" || !strings.HasPrefix(got[0], ".out.tar.") {
			t.Errorf("before Commit: %q", got)
		}
		if err := o.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := o.Abort(); err != nil {
			t.Errorf("Abort after Commit: %v", err)
		}
		checkFile(t, filepath.Join(dir, "out.tar"), "01234567")
		if err := os.Remove(filepath.Join(dir, "out.tar")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriterMode(t *testing.T) {
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	name := filepath.Join(t.TempDir(), "out.tar")
	if err := mustCreate(t, name, false).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWriterAbort(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out.tar")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := mustCreate(t, name, true)
	mustWrite(t, o, "new")
	for range 2 {
		if err := o.Abort(); err != nil {
			t.Error(err)
		}
	}
	checkFile(t, name, "old")
}

// An existing file is replaced only with Replace, whenever it was created.
func TestWriterExists(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out.tar")
	o := mustCreate(t, name, false)
	mustWrite(t, o, "late")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); !errors.Is(err, store.ErrExists) {
		t.Errorf("created in between: %v, want %v", err, store.ErrExists)
	}
	checkFile(t, name, "old")
	if _, err := local.Create(t.Context(), name, store.Options{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("created before: %v, want %v", err, store.ErrExists)
	}
	o = mustCreate(t, name, true)
	mustWrite(t, o, "new")
	if got, _ := os.ReadFile(name); string(got) != "old" {
		t.Errorf("before Commit it holds %q", got)
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkFile(t, name, "new")
}

func TestCreateErrors(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.WriteFile(path("file"), []byte("old"), 0o644),
		unix.Mkfifo(path("fifo"), 0o644),
		os.Symlink("file", path("link")),
		os.Symlink("fifo", path("tofifo")),
		os.Symlink("nowhere/out", path("dangling")),
		os.Symlink("loop", path("loop")),
		os.Mkdir(path("dir"), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for _, tt := range []struct {
		name    string
		replace bool
		want    error
	}{
		{path("file"), false, store.ErrExists},
		{path("link"), false, store.ErrExists},
		{path("dangling"), false, store.ErrNoDir},
		{path("loop"), true, unix.ELOOP},
		{path("fifo"), false, store.ErrExists},
		{path("tofifo"), true, store.ErrNotRegular},
		{path("fifo"), true, store.ErrNotRegular},
		{path("dir"), true, store.ErrNotRegular},
		{path("dir") + "/", true, store.ErrNotRegular},
		{"/dev/null", true, store.ErrNotRegular},
		{path("nowhere/out"), false, store.ErrNoDir},
		{path("file/out"), false, store.ErrNoDir},
		{path("fifo/out"), false, store.ErrNoDir},
		{path("new") + "/", false, store.ErrNoDir},
		{path("dir/.."), true, store.ErrNotRegular},
		{path(strings.Repeat("n", 256)), false, unix.ENAMETOOLONG},
		{"s3://bucket/out", false, store.ErrScheme},
	} {
		soon(t, func() {
			if o, err := local.Create(t.Context(), tt.name, store.Options{Replace: tt.replace}); !errors.Is(err,
				tt.want) {
				t.Errorf("Create(%q, %v): %v, want %v", tt.name, tt.replace, err, tt.want)
				if err == nil {
					o.Abort()
				}
			}
		})
	}
	if after := names(t, dir); !slices.Equal(after, before) {
		t.Errorf("files: %q, want %q", after, before)
	}
	long := path(strings.Repeat("n", 255))
	if err := mustCreate(t, long, false).Commit(t.Context()); err != nil {
		t.Errorf("a name of 255 bytes: %v", err)
	}
}

// Files of a killed process are removed by the next one with the same output, but not those of a running process.
func TestWriterLeftovers(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "out.tar")
	if os.Getenv("STORE_TEST_OUTPUT") != "" {
		mustWrite(t, mustCreate(t, os.Getenv("STORE_TEST_OUTPUT"), false), "half")
		unix.Kill(unix.Getpid(), unix.SIGKILL)
	}
	killed := exec.Command(os.Args[0], "-test.run=^TestWriterLeftovers$")
	killed.Env = append(os.Environ(), "STORE_TEST_OUTPUT="+name)
	if err := killed.Run(); err == nil || killed.ProcessState.Exited() {
		t.Fatalf("the process was not killed: %v", err)
	}
	left := names(t, dir)
	if len(left) != 1 || left[0] == "out.tar" {
		t.Fatalf("the killed process left %q", left)
	}
	another := filepath.Join(dir, ".other.tar.shardfs-KILLEDKILLEDKILLEDKILLEDKI")
	if err := os.WriteFile(another, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := mustCreate(t, name, false)
	living := names(t, dir)
	if slices.Contains(living, left[0]) || !slices.Contains(living, filepath.Base(another)) || len(living) != 2 {
		t.Errorf("with a new one: %q, after %q", living, left)
	}
	if _, err := local.Create(t.Context(), name, store.Options{}); !errors.Is(err, store.ErrBusy) {
		t.Errorf("a second one: %v, want %v", err, store.ErrBusy)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("after a second one: %q, before %q", got, living)
	}
	mustWrite(t, o, "first")
	if err := o.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(another); err != nil {
		t.Fatal(err)
	}
	checkFile(t, name, "first")
}

// noise returns bytes of which no part equals another.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// Ranges can be copied from a file on the same file system, on another one, and from other readers.
func TestCopyRange(t *testing.T) {
	content := noise(20 << 20)
	elsewhere, err := os.MkdirTemp("/dev/shm", "store-test-")
	if err != nil {
		skip.Part(t, "another file system to copy from: %v", err)
		elsewhere = t.TempDir()
	}
	defer os.RemoveAll(elsewhere)
	for _, tt := range []struct {
		story string
		dir   string // of the source; "" for none
	}{{"the same file system", t.TempDir()}, {"another file system", elsewhere}, {"no file", ""}} {
		var src io.ReaderAt = bytes.NewReader(content)
		if tt.dir != "" {
			name := filepath.Join(tt.dir, "src")
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
			o, err := local.Open(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			src = store.At(t.Context(), o)
		}
		name := filepath.Join(t.TempDir(), "out")
		o := mustCreate(t, name, false)
		var want bytes.Buffer
		for _, r := range []struct{ off, n int64 }{{1, 0}, {0, 10}, {12345, 1}, {777, 17 << 20},
			{20<<20 - 5, 5}, {3, 4096}} {
			mustWrite(t, o, "between")
			if err := o.CopyRange(src, r.off, r.n); err != nil {
				t.Fatalf("%s: CopyRange(%d, %d): %v", tt.story, r.off, r.n, err)
			}
			want.WriteString("between")
			want.Write(content[r.off : r.off+r.n])
		}
		if err := o.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: %d other bytes than the %d wanted, %v", tt.story, len(got), want.Len(), err)
		}
		// A range that ends after the end of the source is an error, and no file of fewer bytes.
		o = mustCreate(t, name, true)
		if err := o.CopyRange(src, 20<<20-5, 6); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: over the end: %v, want %v", tt.story, err, io.ErrUnexpectedEOF)
		}
		if err := o.Abort(); err != nil {
			t.Error(err)
		}
	}
}

// A file that another process has changed before Commit is not published.
func TestWriterMeddledWith(t *testing.T) {
	dir := t.TempDir()
	o := mustCreate(t, filepath.Join(dir, "out"), false)
	mustWrite(t, o, "0123")
	if err := os.Truncate(filepath.Join(dir, names(t, dir)[0]), 2); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); err == nil {
		t.Error("no error")
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("files left: %q", got)
	}
}

// A full disk is an error of Write, CopyRange or Commit, and leaves nothing.
func TestWriterDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		skip.Without(t, "a small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	big := noise(4 << 20)
	src := filepath.Join(t.TempDir(), "src")
	if err := os.WriteFile(src, big, 0o644); err != nil {
		t.Fatal(err)
	}
	object, err := local.Open(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	for story, write := range map[string]func(o *writer) error{
		"Write":                 func(o *writer) error { _, err := o.Write(big); return err },
		"CopyRange":             func(o *writer) error { return o.CopyRange(store.At(t.Context(), object), 0, 4<<20) },
		"CopyRange, not a file": func(o *writer) error { return o.CopyRange(bytes.NewReader(big), 0, 4<<20) },
	} {
		o := mustCreate(t, filepath.Join(dir, "out"), false)
		if err := write(o); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: %v, want %v", story, err, unix.ENOSPC)
		}
		if err := o.Abort(); err != nil {
			t.Error(err)
		}
		if got := names(t, dir); len(got) != 0 {
			t.Errorf("%s: files left: %q", story, got)
		}
	}
}

// A resumable temporary file stays if its process is killed, can be read, and is removed by the next Commit.
func TestResumable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	o := create(t, name, store.Options{Resumable: true})
	mustWrite(t, o, "half")
	part := o.TempName()
	if err := errors.Join(o.Sync(), o.Detach(), o.Abort()); err != nil {
		t.Fatal(err)
	}
	next := create(t, name, store.Options{Resumable: true})
	if !local.HasPart(t.Context(), name) {
		t.Error("it is not found")
	}
	r, err := local.OpenPart(t.Context(), name, part)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.CopyRange(store.At(t.Context(), r), 0, r.Size()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(r.Close(), next.Commit(t.Context())); err != nil {
		t.Error(err)
	}
	checkFile(t, name, "half")
	if got := names(t, filepath.Dir(name)); len(got) != 1 || local.HasPart(t.Context(), name) {
		t.Errorf("left: %q", got)
	}
}

// Only temporary files of the output itself are opened.
func TestOpenPart(t *testing.T) {
	dir := t.TempDir()
	const part, temp = ".out.shardfs-part-KILLEDKILLEDKILLEDKILLEDKI", ".out.shardfs-KILLEDKILLEDKILLEDKILLEDKI"
	for _, name := range []string{"secret", part, temp} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("secret", filepath.Join(dir, part[:len(part)-1]+"L")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		part string
		ok   bool
	}{{part, true}, {temp, false}, {"secret", false}, {"", false}, {"../secret", false},
		{".out.shardfs-part-/../secret", false}, {part[:len(part)-1] + "L", false}, {".out.shardfs-part-none", false}} {
		r, err := local.OpenPart(t.Context(), filepath.Join(dir, "out"), tt.part)
		if (err == nil) != tt.ok {
			t.Errorf("OpenPart(%q): %v", tt.part, err)
		}
		if err == nil {
			r.Close()
		}
	}
}
