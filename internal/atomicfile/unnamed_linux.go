package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Unnamed makes a file in dir that has no name and disappears when it is closed, however the process ends; "" means
// [os.TempDir]. If the file system does not support that, it makes a file and removes the name at once.
func Unnamed(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if err == nil {
		return f, nil
	}
	if f, err = os.CreateTemp(dir, ".shardfs-unnamed-"); err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
