package shard

import (
	"cmp"
	"context"
	"fmt"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// Unproved reports whether the index is from a sidecar that is likely to be of this shard: it is of one of the same size
// that begins with the same members. Whether middle and end are the same, which takes two requests more, was not asked,
// because Options.Unproved was set. A member of a false index is noticed when it is opened, with ErrStale, and Index.Err
// tells that from then on; the shard is then to be opened again without that option. Such an index is not cached.
func (s *Shard) Unproved() bool { return s.likely }

// made reports whether an index was made from this shard or, if copied is set, from one that this is a copy of, which may
// be likely only.
func (s *Shard) made(ctx context.Context, f *index.File, copied bool) (bool, error) {
	of := f.Origin
	now, err := s.origin(ctx)
	if err != nil {
		return false, err
	}
	if !copied || now.Probe == "" && of.Version == now.Version {
		return of.Same(now), nil
	}
	if s.mayBeLikely(f, now) {
		s.likely = true
		return true, nil
	}
	now, err = s.probed(ctx, now)
	return of.Copy(now), err
}

// mayBeLikely reports whether a sidecar may be taken unproved for a shard of that origin. Only a plain shard has headers to
// compare at its beginning, and a large index is to be cached.
func (s *Shard) mayBeLikely(f *index.File, now index.Origin) bool {
	return s.o.Unproved && store.IsRemote(s.path) && now.Probe == "" && f.Origin.Size == now.Size &&
		f.Origin.Probe != "" && f.Format == codec.Plain && f.Index.Rows() < largeIndex
}

// beginning is for how many bytes the members of an unproved index are compared. They are of the first ones that a store
// gets of an object.
const beginning = 512 << 10

// begins returns an error that wraps ErrStale unless the rows of an index have no gaps, end where the shard may, and are
// those of its first members.
func (s *Shard) begins(ctx context.Context, f *index.File) error {
	err := f.Index.Covers(nil, false)
	if err == nil && f.Index.End()+2*index.BlockSize > f.Origin.Size {
		err = fmt.Errorf("%w: it is longer than the shard", index.ErrStale)
	}
	r := store.At(ctx, s.object)
	for row := 0; err == nil && row < f.Index.Rows() && f.Index.Offset(row) < beginning; row++ {
		err = f.Index.Check(row, r)
	}
	return cmp.Or(f.Index.Err(), err)
}
