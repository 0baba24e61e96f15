package remote

import (
	"context"
	"errors"
	"iter"

	"github.com/shardfs/shardfs/internal/store"
)

// Clean implements [store.Cleaner]. No store tells which program has begun an upload, or whether one is at work on it. A
// store that does not list uploads has none.
func (s *Store) Clean(ctx context.Context, prefix string,
	may func(store.Leftover) bool) iter.Seq2[store.Leftover, error] {
	return func(yield func(store.Leftover, error) bool) {
		lister, ok := s.s.(UploadLister)
		if !ok {
			return
		}
		left, err := lister.Unfinished(ctx, prefix, s.e.Send)
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		for _, u := range left {
			l := store.Leftover{Name: u.Name, At: "upload " + u.Upload, Time: u.Begun}
			if err != nil || !may(l) {
				continue
			}
			var up Upload
			if up, err = lister.Upload(ctx, u.Name, "", s.e.Send); err == nil {
				err = up.Abort(ctx, u.Upload)
			}
			if err == nil && !yield(l, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Leftover{}, err)
		}
	}
}
