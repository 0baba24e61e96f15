package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testtime"
)

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{"a.tar", "a.tar", nil},
		{"/d/a.tar", "/d/a.tar", nil},
		{"file:///d/a.tar", "/d/a.tar", nil},
		{"file:///d/a%20b?c", "/d/a%20b?c", nil}, // a path, not an encoded URL
		{"d/x://y", "d/x://y", nil},              // a slash before it: a path
		{"./s3://b", "./s3://b", nil},
		{"a:b", "a:b", nil},
		{"", "", nil},
		{"file://host/a.tar", "", ErrScheme},
		{"file://a.tar", "", ErrScheme},
		{"s3://bucket/a.tar", "", ErrScheme},
		{"https://host/a.tar", "", ErrScheme},
		{"://", "", ErrScheme},
	} {
		if got, err := Path(tt.name); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Path(%q) = %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"a.tar", "a.tar"},
		{"d/a?b@c.tar", "d/a?b@c.tar"},
		{"x/y://u:p@h", "x/y://u:p@h"}, // a path
		{"file:///d/a.tar", "file:///d/a.tar"},
		{"s3://bucket/d/a.tar", "s3://bucket/d/a.tar"},
		{"https://host", "https://host"},
		{"https://host/", "https://host/"},
		{"https://host/a.tar?X-Amz-Signature=secret", "https://host/a.tar"},
		{"https://host?secret", "https://host"},
		{"https://user:secret@host/a.tar", "https://host/a.tar"},
		{"https://user:sec@ret@host:8080/a@b.tar?x=y?z", "https://host:8080/a@b.tar"},
		{"https://secret@host", "https://host"},
		{"pipe:curl https://user:secret@host/a?b", "pipe:curl https://host/a"},
	} {
		if got := Redact(tt.name); got != tt.want {
			t.Errorf("Redact(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	mtime := time.Unix(1_500_000_000, 123)
	if err := errors.Join(os.WriteFile(name, []byte("0123456789"), 0o644), os.Chtimes(name, mtime, mtime)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{name, "file://" + name} {
		o, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var stat unix.Stat_t
		if err := unix.Fstat(int(o.File().Fd()), &stat); err != nil {
			t.Fatal(err)
		}
		if o.Size() != 10 || o.ModTime() != mtime.UnixNano() || o.Inode() != stat.Ino {
			t.Errorf("size %d, time %d, inode %d", o.Size(), o.ModTime(), o.Inode())
		}
		b := make([]byte, 3)
		if n, err := o.ReadAt(b, 4); n != 3 || err != nil || string(b) != "456" {
			t.Errorf("ReadAt: %q, %v", b[:n], err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is no regular file is refused at once: opening a FIFO does not wait for a writer.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	link := filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(fifo, 0o644), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		want error
	}{
		{fifo, ErrNotRegular},
		{link, ErrNotRegular},
		{dir, ErrNotRegular},
		{"/dev/null", ErrNotRegular},
		{filepath.Join(dir, "nothing"), fs.ErrNotExist},
		{filepath.Join(fifo, "below"), unix.ENOTDIR},
		{"", fs.ErrNotExist},
		{"s3://bucket/a", ErrScheme},
	} {
		soon(t, func() {
			if _, err := Open(tt.name); !errors.Is(err, tt.want) {
				t.Errorf("Open(%q): %v, want %v", tt.name, err, tt.want)
			}
		})
	}
}

// soon calls f and fails the test if that takes long.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	testtime.Receive(t, done, "the end of what could hang")
}
