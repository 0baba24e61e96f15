package server

import "github.com/shardfs/shardfs/internal/prefetch"

// aheadBase serves shards by FUSE, from this process. A local shard that is not compressed, which can be read at any
// place, is read ahead by another process while samples are read in order.
type aheadBase struct{ fuseBase }

// newAheadBase returns the base that reads ahead, if it can. Without several processors that would only cost time.
func newAheadBase(b fuseBase, several bool) base {
	if only := b.set.Only(); only != nil && several {
		if _, ok := only.Shard.Descriptor(); ok {
			return &aheadBase{b}
		}
	}
	return &b
}

// Mount implements base.
func (b *aheadBase) Mount(dir string) (liveMount, error) {
	p := prefetch.New(dir)
	b.options.Prefetcher = p
	m, err := b.fuseBase.Mount(dir)
	if err != nil {
		p.Close()
		return nil, err
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
