package source

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/pack"
)

// Foresee has the choice of samples made over the keys of all sources, before any work on them begins. It returns nil
// if they are not known without reading one: a stream, a plain directory, a remote shard without an index, or a shard that
// has to be decompressed to be indexed, unless build is set.
func Foresee(ctx context.Context, names []Name, o Options, choice pack.Choice, build bool) *pack.Chooser {
	chooser := pack.NewChooser(NameOfAll(names), choice)
	for _, n := range names {
		if chooser.Right() {
			break
		}
		keys, done, err := keysOf(ctx, n, o, build && !store.IsRemote(n.Text))
		if err != nil {
			return nil // opened again, it gives the same error, if its turn comes
		}
		for key := range keys {
			if chooser.Right() {
				break
			}
			chooser.Take(key)
		}
		if done() != nil {
			return nil
		}
	}
	return chooser
}

// SameKeys returns an error that wraps pack.ErrSameKey if chosen samples of two sources have one key, as far as that is
// known without reading a source: see Foresee.
func SameKeys(ctx context.Context, names []Name, o Options, choice pack.Choice) error {
	chooser, seen := pack.NewChooser(NameOfAll(names), choice), pack.NewKeySet()
	var first error
	clashes := 0
	for input, n := range names {
		keys, done, err := keysOf(ctx, n, o, false)
		if err != nil && (choice.Skip > 0 || choice.Count > 0) {
			break // which samples are chosen of those that follow is not known
		}
		if err != nil {
			continue
		}
		for key := range keys {
			if !chooser.Take(key) {
				continue
			}
			if before, ok := seen.Find(key); !ok {
				seen.Add(key, input)
			} else if before != input {
				if clashes++; clashes == 1 {
					first = pack.SameKey(key, names[before].String(), n.String())
				}
			}
		}
		if done() != nil {
			return nil
		}
	}
	if clashes > 1 {
		return fmt.Errorf("%w, and %d more", first, clashes-1)
	}
	return first
}

// Pass has a choice of samples made over the keys of a source whose samples are not wanted, so that it is the same for the
// sources after it as if they were.
func Pass(ctx context.Context, n Name, o Options, chooser *pack.Chooser) error {
	if chooser.All() {
		return nil
	}
	keys, done, err := keysOf(ctx, n, o, true)
	if err != nil {
		return err
	}
	for key := range keys {
		chooser.Take(key)
	}
	return done()
}

// errUnforeseen means that the keys of a source are not known without reading it.
var errUnforeseen = errors.New("not indexed")

// keysOf returns the keys of a source. The caller must call done, which returns an error if they may be wrong.
func keysOf(ctx context.Context, n Name, o Options, build bool) (keys iter.Seq[string], done func() error, err error) {
	switch n.Kind {
	case Shard:
		so := o.Shard
		so.AtHand = !build
		sh, err := shard.Open(ctx, n.Text, so)
		if err != nil {
			return nil, nil, err
		}
		return sh.Index.Keys(), func() error { return errors.Join(sh.Index.Err(), sh.Close()) }, nil
	case Dir:
		changes, err := mounts.Open(ctx, o.Shard.Store, n.Path)
		if err != nil {
			return nil, nil, err
		}
		var wrong error
		keys = func(yield func(string) bool) {
			for s, err := range pack.All(BaseOf(changes.Shard), changes) {
				if wrong = err; err != nil || !s.Empty() && !yield(s.Key) {
					return
				}
			}
		}
		return keys, func() error { return errors.Join(wrong, changes.Close()) }, nil
	}
	return nil, nil, errUnforeseen
}
