package view

import (
	"context"

	"github.com/shardfs/shardfs/internal/shard"
)

// Forget removes those indexes of many shards that have turned out to be false from where they are kept; see
// [shard.Shard.Forget]. So does Close, but the next mount may start before this one ends.
func (s *Set) Forget() {
	for _, sh := range s.opened(func(v *View) bool { return v.Err() != nil }) {
		sh.Forget() // may take as long as a scan
	}
}

// StopScans ends the scans for the indexes of many shards, and returns when they have ended or ctx ends; see
// [shard.Shard.StopScan].
func (s *Set) StopScans(ctx context.Context) {
	for _, sh := range s.opened(func(*View) bool { return true }) {
		sh.StopScan(ctx)
	}
}

// opened returns those of many shards that are open and for whose view a function returns true.
func (s *Set) opened(which func(*View) bool) (all []*shard.Shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if p.view != nil && which(p.view) {
			all = append(all, p.view.Shard)
		}
	}
	return all
}
