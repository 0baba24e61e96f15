package view

import "github.com/shardfs/shardfs/internal/shard"

// Forget removes those indexes of many shards that have turned out to be false from where they are kept; see
// [shard.Shard.Forget]. So does Close, but the next mount may start before this one ends.
func (s *Set) Forget() {
	s.mu.Lock()
	var all []*shard.Shard
	for _, p := range s.all {
		if p.view != nil && p.view.Err() != nil {
			all = append(all, p.view.Shard)
		}
	}
	s.mu.Unlock()
	for _, sh := range all {
		sh.Forget() // may take as long as a scan
	}
}
