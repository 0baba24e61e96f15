package server

import (
	"runtime"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/prefetch"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/view"
)

// mountBase mounts shards without changes at the mountpoint. If FUSE serves a local shard that is not compressed, which
// can be read at any place, samples are read ahead when they are read in order. With one processor that would only cost
// time.
func (s *server) mountBase(set *view.Set, o fusefs.Options) (liveMount, error) {
	only := set.Only()
	if only == nil || only.Shard.Format != codec.Plain || store.IsRemote(s.Names[0]) || runtime.GOMAXPROCS(0) < 2 {
		return newBase(set, o).Mount(s.Mountpoint)
	}
	p := prefetch.New(s.Mountpoint)
	o.Prefetcher = p
	m, err := newBase(set, o).Mount(s.Mountpoint)
	if err != nil || servedByKernel(m) {
		p.Close()
		return m, err
	}
	p.Begin()
	return &aheadMount{m, p}, nil
}

// aheadMount is a mount with a process that reads ahead.
type aheadMount struct {
	liveMount
	ahead *prefetch.Process
}

// Wait implements liveMount, and ends the process.
func (m *aheadMount) Wait() {
	m.liveMount.Wait()
	m.ahead.Close()
}
