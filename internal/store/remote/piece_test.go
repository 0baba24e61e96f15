package remote

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The error of a full disk says which disk: the one of the file with parts, not the store's.
func TestPieceOnFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	p := &piece{size: 10, file: full, dir: "/scratch", shared: true}
	n, err := p.write([]byte("0123456789"))
	const want = "a part of it in /scratch: no space left on device"
	if n != 0 || !errors.Is(err, unix.ENOSPC) || err.Error() != want {
		t.Errorf("%d, %v", n, err)
	}
}
