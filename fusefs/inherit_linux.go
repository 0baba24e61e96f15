package fusefs

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// keepConnections keeps programs that this process starts from inheriting connections of FUSE, which go-fuse opens so that
// they would: a connection ends with the last process that has it open, and until then the users of a mount whose server
// was killed would wait for ever.
func keepConnections() {
	const dir = "/proc/self/fd"
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		if target, _ := os.Readlink(filepath.Join(dir, e.Name())); target != "/dev/fuse" {
			continue
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			unix.CloseOnExec(fd)
		}
	}
}
