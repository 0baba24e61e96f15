package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadOwn(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(name string) error
		want error
	}{
		{"a file", func(name string) error { return os.WriteFile(name, []byte("12345678"), 0o600) }, nil},
		{"a longer one", func(name string) error { return os.WriteFile(name, []byte("123456789"), 0o600) }, ErrForeign},
		{"none", func(string) error { return nil }, os.ErrNotExist},
		{"a FIFO", func(name string) error { return unix.Mkfifo(name, 0o600) }, ErrForeign},
		{"a socket", func(name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o600, 0) }, ErrForeign},
		{"a directory", func(name string) error { return os.Mkdir(name, 0o700) }, ErrForeign},
		{"a link", func(name string) error { return os.Symlink("/etc/hostname", name) }, ErrForeign},
		{"one with two names", func(name string) error {
			return errors.Join(os.WriteFile(name, nil, 0o600), os.Link(name, name+"2"))
		}, ErrForeign},
		{"one that others can write to", func(name string) error {
			return errors.Join(os.WriteFile(name, nil, 0o600), os.Chmod(name, 0o666))
		}, ErrForeign},
	} {
		name := filepath.Join(t.TempDir(), "own")
		if err := tt.make(name); err != nil {
			t.Fatal(err)
		}
		b, err := ReadOwn(name, 8)
		if !errors.Is(err, tt.want) || err == nil && string(b) != "12345678" {
			t.Errorf("%s: %q, %v, want %v", tt.name, b, err, tt.want)
		}
	}
}
