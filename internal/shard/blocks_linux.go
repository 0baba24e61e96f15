package shard

import (
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/codec"
)

// Limits of the default size of a cache of decompressed blocks. The least is what a few readers at a time need.
const (
	mostBlocks  = 512 << 20
	leastBlocks = 4 << 20
)

// NewBlocks returns a cache for the decompressed blocks of shards, which several can share. Zero bytes mean an eighth of
// the memory of the machine, or a quarter of the limit of the Go runtime's if that is less, but at most 512 MiB.
func NewBlocks(bytes int64) *codec.Cache {
	if bytes <= 0 {
		bytes = mostBlocks
		var machine unix.Sysinfo_t
		if unix.Sysinfo(&machine) == nil {
			bytes = min(bytes, int64(machine.Totalram)*int64(machine.Unit)/8)
		}
		bytes = min(bytes, debug.SetMemoryLimit(-1)/4)
	}
	return codec.NewCache(max(bytes, leastBlocks))
}
