package fusefs

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
)

// mapTrimmer limits the resident memory of a server for mapped index files. A page of a mapped file counts as the
// process's memory from the first access until memory is short, and a listing of a large shard touches all pages of its
// index. Dropping a page costs almost nothing, because it stays in the page cache.
type mapTrimmer struct {
	requests atomic.Uint32
	trim     func() // drops all mapped pages
}

const (
	checkEvery = 16       // requests; each can touch a MiB of an index, and a check takes a few microseconds
	maxMapped  = 24 << 20 // bytes
)

// onRequest must be called at the start of each request. It is safe for concurrent use.
func (t *mapTrimmer) onRequest() {
	if t.requests.Add(1)%checkEvery == 0 && residentMapped() > maxMapped {
		t.trim()
	}
}

// residentMapped returns the bytes of mapped files in the resident memory of this process; 0 if that is not known.
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
