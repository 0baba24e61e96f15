package shard

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/cgroup"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store/ahead"
)

// cacheLimit is the default limit of cached index files: a thousand shards of a million members would take 7 GB, and most
// of them are never mounted again.
const cacheLimit = 1 << 30

// Limits of the default size of a cache of decompressed blocks. The least is what a few readers at a time need.
const (
	mostBlocks  = 512 << 20
	leastBlocks = 4 << 20
)

// Shared is what the shards of a process share: their cache of decompressed blocks, and what is known of the caches of
// index files, so that not every shard looks through them. It is safe for concurrent use.
type Shared struct {
	size   int64 // as NewShared was told
	limit  int64 // bytes of all index files in a cache
	blocks *codec.Cache
	disk   func() *ahead.Disk // see KeepOn; may be nil
	scans  atomic.Int64       // of growing shards that are in progress

	mu    sync.Mutex
	swept map[string]bool  // by directory of a cache: what killed processes have left there was removed
	room  map[string]int64 // by directory: bytes that can be added before the limit may be reached
}

// NewShared returns what shards share, with caches of size bytes: of index files, and of decompressed blocks, but of
// these at most a quarter of the memory of the machine, or half the limit of the Go runtime's if that is less. Zero bytes
// mean 1 GiB of index files; and of blocks an eighth of the memory of the machine, or a quarter of the limit of the Go
// runtime's if that is less, but at most 512 MiB.
func NewShared(size int64) *Shared {
	s := newShared()
	s.size = size
	blocks := size
	if size > 0 {
		s.limit = size
		blocks = min(blocks, 2*cgroup.Share(math.MaxInt64))
	} else {
		blocks = cgroup.Share(mostBlocks)
	}
	s.blocks = codec.NewCache(max(blocks, leastBlocks))
	return s
}

// newShared returns what one shard alone shares with none.
func newShared() *Shared {
	return &Shared{limit: cacheLimit, swept: make(map[string]bool), room: make(map[string]int64)}
}

// KeepOn lets shards that cannot be decompressed from the middle keep their plain bytes on a disk; nil means none. It must
// be called before shards are opened.
func (s *Shared) KeepOn(disk func() *ahead.Disk) { s.disk = disk }

// onDisk returns the disk; nil if there is none.
func (s *Shared) onDisk() *ahead.Disk {
	if s.disk == nil {
		return nil
	}
	return s.disk()
}

// CacheSize returns the size that NewShared was told; 0 for the defaults, and for a nil Shared.
func (s *Shared) CacheSize() int64 {
	if s == nil {
		return 0
	}
	return s.size
}

// sweeps reports whether a cache must be swept: for the first caller only.
func (s *Shared) sweeps(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.swept[dir] {
		return false
	}
	s.swept[dir] = true
	return true
}

// fits reports whether a cache is within its limit for sure after bytes were added.
func (s *Shared) fits(dir string, bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room[dir] -= bytes
	return s.room[dir] >= 0
}

// holds records how many bytes a cache has. Other processes may add to it, and count for themselves.
func (s *Shared) holds(dir string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room[dir] = (s.limit - bytes) / 2 // the rest is for other processes
}
