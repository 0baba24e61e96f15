package fusefs

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
)

// mapTrimmer limits the resident memory that a server has for mapped index files. A page of a mapped file counts as the
// process's own from the first access until memory is short, and a listing of a large shard touches all pages of its
// index. The page cache holds the same pages, so to unmap one costs next to nothing.
type mapTrimmer struct {
	requests atomic.Uint32
	trim     func() // drops all mapped pages
}

const (
	checkEvery = 16       // requests; each can touch a MiB of an index, and a check takes a few microseconds
	maxMapped  = 24 << 20 // bytes
)

// onRequest is called at the start of a request, by any number of goroutines.
func (t *mapTrimmer) onRequest() {
	if t.requests.Add(1)%checkEvery == 0 && residentMapped() > maxMapped {
		t.trim()
	}
}

// residentMapped returns how many bytes of mapped files are in the memory of this process; 0 if that is not known.
func residentMapped() int {
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
