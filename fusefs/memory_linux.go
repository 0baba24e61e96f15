package fusefs

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
)

// lightness keeps what a server has in memory of index files small. Pages of a mapped file stay with the process that has
// looked at them until somebody else needs the memory, and whoever lists all of a large shard looks at all; but the kernel
// keeps them as well, so to let go of them costs next to nothing.
type lightness struct {
	requests atomic.Uint32
	relax    func() // lets go of all mapped pages
}

const (
	weighEvery = 16       // requests; each can look at a MiB of an index, and to weigh takes a few microseconds
	mostMapped = 24 << 20 // bytes
)

// answered is called for each request.
func (l *lightness) answered() {
	if l.requests.Add(1)%weighEvery == 0 && mapped() > mostMapped {
		l.relax()
	}
}

// mapped returns how many bytes of files this process has in memory; 0 where that is not known.
func mapped() int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(statm)
	if len(fields) < 3 {
		return 0
	}
	pages, err := strconv.Atoi(string(fields[2]))
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}
