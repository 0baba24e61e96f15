// Package ahead keeps bytes of remote objects in memory, and fetches those that will be read next.
//
// A [Source] fetches ranges of one object; an [Object] serves reads from them. A request is a part: a range of the object
// that is in memory, or whose bytes are on their way. Readers get the bytes of a part as they come. A read that continues
// an earlier one belongs to a flow, whose next parts are fetched before they are asked for: few at first, and more and
// larger ones as long as its reader goes on. All other reads and announcements fetch exactly their range. So a walk in
// order, a random sample and hops from header to header are one mechanism, which differs in how far a flow may go ahead.
//
// All objects share one [Cache] with a budget of memory. A fetch that finds no room does not wait for it: it is not
// started if it was only for later, and else puts its bytes into the memory of the reader.
package ahead

import (
	"context"
	"math/bits"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/cgroup"
	"github.com/shardfs/shardfs/internal/lru"
)

// Source fetches bytes of one version of an object. It is safe for concurrent use.
type Source interface {
	// Fetch reads len(p) bytes at off into p, from the front, and calls got with how many of them are there and
	// verified so far. They do not change after that. Fetch soon returns when ctx ends, and then leaves p alone. It
	// tries again itself where that can help.
	Fetch(ctx context.Context, p []byte, off int64, got func(n int)) error
}

// Sizes in bytes.
const (
	mostMemory  = 224 << 20 // of all parts; the process needs some for itself
	leastMemory = 4 << 20
	firstPart   = 1 << 20
	mostPart    = 8 << 20
	leastPart   = 256 << 10
	mapped      = 256 << 10 // parts from this size on are outside the heap
	partCost    = 512       // of the bookkeeping of a part
)

// activeFor is how long a flow has its share of the budget after its last read.
const activeFor = 10 * time.Second

// mostSpare is how many of the largest buffers are kept to be used again. New memory costs a page fault for each page.
const mostSpare = 2

// Options configures NewCache.
type Options struct {
	// Memory is how many bytes all parts may take; 0 means 224 MiB, but at most an eighth of the machine's memory, and a
	// quarter of the limit of the Go runtime's.
	Memory int64

	// Disk, if not nil, keeps bytes of objects, too.
	Disk *Disk
}

// Cache is what the objects of a process share: the memory of their parts, and what is known of their stores. It is safe
// for concurrent use.
type Cache struct {
	budget int64
	disk   *Disk // or nil

	mu     sync.Mutex // guards all below, and the fields of objects, parts and flows
	used   int64      // cost of all buffers, including spare ones
	unread *lru.Cache[*part, *part]
	read   *lru.Cache[*part, *part] // read almost wholly, and evicted first: the kernel has them
	spare  [][]byte                 // of mostPart bytes
	paces  map[string]*pace         // by Info.Store
	flows  map[*flow]struct{}       // those that fetch ahead
}

// NewCache returns an empty cache.
func NewCache(o Options) *Cache {
	c := &Cache{budget: o.Memory, disk: o.Disk, paces: make(map[string]*pace), flows: make(map[*flow]struct{})}
	if c.budget == 0 {
		c.budget = cgroup.Share(mostMemory)
	}
	c.budget = max(c.budget, leastMemory)
	evicted := func(_ *part, p *part) { p.leave() }
	c.unread = lru.New(c.budget, (*part).cost, evicted)
	c.read = lru.New(c.budget, (*part).cost, evicted)
	return c
}

// cost returns how much of the budget a part takes. The collector lets the heap grow to twice what is in use.
func (p *part) cost() int64 { return costOf(cap(p.memory)) }

func costOf(n int) int64 {
	if n >= mapped {
		return int64(n) + partCost
	}
	return 2*int64(n) + partCost
}

// buffer returns memory for n bytes, or nil if there is no room for them even if all parts that nobody uses are evicted.
func (c *Cache) buffer(n int) []byte {
	if last := len(c.spare) - 1; n == mostPart && last >= 0 {
		b := c.spare[last]
		c.spare = c.spare[:last]
		return b
	}
	cost := costOf(n)
	for c.used+cost > c.budget {
		if !c.dropSpare() && !c.evict(c.read) && !c.evict(c.unread) {
			return nil
		}
	}
	b, ok := []byte(nil), true
	if n >= mapped {
		var err error
		b, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		ok = err == nil
	} else {
		b = make([]byte, n)
	}
	if !ok {
		return nil
	}
	c.used += cost
	return b
}

// recycle takes a buffer back.
func (c *Cache) recycle(b []byte) {
	if len(b) == mostPart && len(c.spare) < mostSpare {
		c.spare = append(c.spare, b)
	} else {
		c.unmap(b)
	}
	if c.unread.Len()+c.read.Len() == 0 { // perhaps the last object is being closed
		for c.dropSpare() {
		}
	}
}

func (c *Cache) dropSpare() bool {
	last := len(c.spare) - 1
	if last < 0 {
		return false
	}
	c.unmap(c.spare[last])
	c.spare = c.spare[:last]
	return true
}

func (c *Cache) unmap(b []byte) {
	c.used -= costOf(len(b))
	if len(b) >= mapped {
		_ = unix.Munmap(b) // fails only for what is not mapped
	}
}

// evict evicts the least recently used part that nobody uses.
func (c *Cache) evict(from *lru.Cache[*part, *part]) bool {
	for p := range from.All() {
		if p.pins == 0 {
			from.Remove(p)
			p.leave()
			return true
		}
	}
	return false
}

// share returns how many bytes a flow may be ahead of its reader, and the size of its largest parts.
func (c *Cache) share(now time.Time) (ahead, largest int64) {
	n := int64(0)
	for f := range c.flows {
		if now.Sub(f.used) < activeFor {
			n++
		}
	}
	ahead = max(c.budget/2/max(n, 1), leastPart)
	largest = int64(1) << (bits.Len64(uint64(ahead/2)) - 1)
	return ahead, min(max(largest, leastPart), mostPart)
}
