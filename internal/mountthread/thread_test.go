package mountthread

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// The function runs on a thread with the same files except connections, and the process keeps all.
func TestWithoutConnections(t *testing.T) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		skip.Without(t, "/dev/fuse: %v", err)
	}
	defer unix.Close(fd)
	f, err := os.Open("thread_test.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := errors.New("of the function")
	err = WithoutConnections(func() error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != unix.EBADF {
			t.Errorf("the connection: %v", err)
		}
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Errorf("another file: %v", err)
		}
		return want
	})
	if err != want {
		t.Errorf("it returns %v, want %v", err, want)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Errorf("the connection, afterwards: %v", err)
	}
}
