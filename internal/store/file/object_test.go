package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// local is the store under test.
var local Store

func TestOpen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	mtime := time.Unix(1_500_000_000, 123)
	if err := errors.Join(os.WriteFile(name, []byte("0123456789"), 0o644), os.Chtimes(name, mtime, mtime)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{name, "file://" + name} {
		o, err := local.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var stat unix.Stat_t
		if err := unix.Stat(strings.TrimPrefix(name, "file://"), &stat); err != nil {
			t.Fatal(err)
		}
		version := store.Version(fmt.Sprintf("file:1500000000000000123:%d", stat.Ino))
		if at := o.(store.Dated).ModTime(); o.Size() != 10 || !at.Equal(mtime) || o.Version() != version {
			t.Errorf("size %d, time %v, version %s, want %s", o.Size(), at, o.Version(), version)
		}
		if i, err := local.Stat(t.Context(), name); err != nil ||
			i != (store.Info{Size: 10, ModTime: mtime, Version: version}) {
			t.Errorf("Stat: %+v, %v", i, err)
		}
		b := make([]byte, 3)
		if n, err := o.ReadAt(t.Context(), b, 4); n != 3 || err != nil || string(b) != "456" {
			t.Errorf("ReadAt: %q, %v", b[:n], err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Only regular files can be opened; opening a FIFO does not wait for a writer.
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
		{fifo, store.ErrNotRegular},
		{link, store.ErrNotRegular},
		{dir, store.ErrNotRegular},
		{"/dev/null", store.ErrNotRegular},
		{filepath.Join(dir, "nothing"), fs.ErrNotExist},
		{filepath.Join(fifo, "below"), unix.ENOTDIR},
		{"", fs.ErrNotExist},
		{"s3://bucket/a", store.ErrScheme},
	} {
		soon(t, func() {
			if _, err := local.Open(t.Context(), tt.name); !errors.Is(err, tt.want) {
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

// bare keeps all causes of an error, and removes all file names.
func TestBare(t *testing.T) {
	a := &fs.PathError{Op: "sync", Path: "/d/a", Err: unix.EIO}
	b := &fs.PathError{Op: "close", Path: "/d/a", Err: unix.ENOSPC}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, "<nil>"},
		{a, "input/output error"},
		{fs.ErrClosed, "file already closed"},
		{errors.Join(a, b), "input/output error\nno space left on device"},
		{errors.Join(nil, b), "no space left on device"},
		{errors.Join(a, errors.Join(b, fs.ErrClosed)),
			"input/output error\nno space left on device\nfile already closed"},
	} {
		if got := fmt.Sprint(bare(tt.err)); got != tt.want {
			t.Errorf("bare(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

// A witness notices every write, also one after which the modification time was set back; it does not take a link, an
// owner or permissions for one. It works after the object was closed.
func TestWitness(t *testing.T) {
	for _, tt := range []struct {
		story   string
		change  func(name string) error
		changed bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"read", func(name string) error { _, err := os.ReadFile(name); return err }, false},
		{"linked", func(name string) error { return os.Link(name, name+"2") }, false},
		{"closed to others", func(name string) error { return os.Chmod(name, 0o600) }, false},
		{"touched", func(name string) error { return os.Chtimes(name, time.Time{}, time.Now()) }, true},
		{"written to", func(name string) error { return os.WriteFile(name, []byte("9876543210"), 0) }, true},
		{"truncated", func(name string) error { return os.Truncate(name, 5) }, true},
		{"removed", os.Remove, true},
		{"replaced by a directory", func(name string) error {
			return errors.Join(os.Remove(name), os.Mkdir(name, 0o700))
		}, true},
		{"replaced, with the same time", func(name string) error {
			info, err := os.Stat(name)
			return errors.Join(err, os.WriteFile(name+"2", []byte("9876543210"), 0o600),
				os.Chtimes(name+"2", time.Time{}, info.ModTime()), os.Rename(name+"2", name))
		}, true},
		{"written to, with the time set back", func(name string) error {
			info, err := os.Stat(name)
			return errors.Join(err, os.WriteFile(name, []byte("9876543210"), 0),
				os.Chtimes(name, time.Time{}, info.ModTime()))
		}, true},
	} {
		name := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(name, []byte("0123456789"), 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := local.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		w := store.WitnessOf(local, name, o)
		if err := errors.Join(o.Close(), tt.change(name)); err != nil {
			t.Fatal(err)
		}
		if err := w.Confirm(t.Context()); errors.Is(err, store.ErrChanged) != tt.changed || !tt.changed && err != nil {
			t.Errorf("%s: %v", tt.story, err)
		}
	}
}
