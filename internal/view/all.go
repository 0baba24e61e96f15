package view

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// UseAll opens all of many shards that are not open, by a function, and returns their directories in order, for use until
// Release. After an error of one, none is in use.
func (s *Set) UseAll(open func(ctx context.Context, name string) (*shard.Shard, error)) ([]Entry, error) {
	all, errs := make([]Entry, len(s.all)), make([]error, len(s.all))
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(s.all)) && !failed.Load(); i = next.Add(1) - 1 {
				p := s.all[i]
				v, err := s.useBy(p, open)
				if err != nil {
					failed.Store(true)
					errs[i] = err
					continue
				}
				all[i] = Entry{v, Root, s, p, Ino(i+1) << inoBits}
			}
		})
	}
	workers.Wait()
	failing := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if failing < 0 {
		return all, nil
	}
	for _, e := range all {
		e.Release()
	}
	return nil, errs[failing]
}

// useBy opens a part by a function, unless it is open, and uses it.
func (s *Set) useBy(p *part, open func(ctx context.Context, name string) (*shard.Shard, error)) (*View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.view == nil {
		s.mu.Unlock()
		sh, err := open(s.ctx, p.shard)
		s.mu.Lock()
		switch {
		case err != nil:
			return nil, err
		case !p.isOf(sh):
			return nil, errors.Join(store.ErrChanged, sh.Close())
		case p.view != nil: // by now
			err = sh.Close()
		default:
			s.take(p, sh)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.users++; p.users == 1 {
		s.idle.Remove(p)
	}
	return p.view, nil
}

// Names returns the names of the directories of many shards, in order.
func (s *Set) Names() (names []string) {
	for _, p := range s.all {
		names = append(names, p.name)
	}
	return names
}

// Touch marks a shard of many that stays in use as used just now: only the last ones that were used keep decoders.
func (e Entry) Touch() {
	if e.part == nil {
		return
	}
	e.set.mu.Lock()
	defer e.set.mu.Unlock()
	e.set.warmUp(e.part)
}

// warmUp marks a part as used just now. The caller holds the mutex.
func (s *Set) warmUp(p *part) {
	if _, ok := s.warm.Get(p); !ok {
		s.warm.Add(p, p)
	}
}

// isOf reports whether a part that was open before was open with this version of its shard, and with this index.
func (p *part) isOf(sh *shard.Shard) bool {
	return p.was == nil || p.was.Same(sh.Origin) && p.index == sh.Foreign
}

// take makes a shard that was opened the view of a part. The caller holds the mutex.
func (s *Set) take(p *part, sh *shard.Shard) {
	origin := sh.Origin
	p.was, p.index, p.view = &origin, sh.Foreign, New(sh)
	p.view.nearEnd = func() { s.openNext(p) }
	s.live++
}
