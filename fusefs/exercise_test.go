package fusefs

import (
	"errors"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// The two exercises, of one file and of a tree, do not depend on mounts: they are also run in a plain directory, as a
// check of the exercises themselves.

// largest is the size in bytes up to which an exercise lets a file grow.
const largest = 256 << 10

// noise returns bytes to write, none of them zero, so that holes differ from written bytes.
func noise(seed uint64, n int) []byte {
	all := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range all {
		all[i] = byte(1 + r.IntN(255))
	}
	return all
}

// allocations are the ways to call fallocate.
var allocations = []struct {
	name string
	mode uint32
}{
	{"allocate", 0},
	{"allocate keeping the size", unix.FALLOC_FL_KEEP_SIZE},
	{"punch a hole", unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE},
	{"zero", unix.FALLOC_FL_ZERO_RANGE},
	{"zero keeping the size", unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE},
}

// fallocate calls fallocate again where the runtime's signals have interrupted it, as package os does for other calls.
func fallocate(f *os.File, mode uint32, off, n int) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), mode, int64(off), int64(n)); err != unix.EINTR {
			return err
		}
	}
}

// forget makes the kernel forget what it has cached of a file, so that the file system is asked for it again.
func forget(f *os.File) error {
	return errors.Join(unix.Fdatasync(int(f.Fd())), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}
