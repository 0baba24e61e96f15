package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/shardfs/shardfs/internal/store"
)

// statsAtOnce is how many outputs are looked for at the same time, one by one, and how many there are at most before
// they are looked for in a listing.
const statsAtOnce = 16

// Published returns for each name of an output what is there; nil for nothing. Those in one directory of a store that
// lists its objects are looked for in a listing, which takes a request for each thousand of the objects there; where it
// may not be listed, one by one.
func Published(ctx context.Context, st store.Store, names []string) ([]*store.Info, error) {
	if len(names) > statsAtOnce {
		found, err := listed(ctx, st, names)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return make([]*store.Info, len(names)), nil
		case err == nil, ctx.Err() != nil, errors.Is(err, store.ErrUnreachable):
			return found, err
		}
	}
	found := make([]*store.Info, len(names))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(statsAtOnce, len(names)) {
		workers.Go(func() {
			for i := range next {
				info, err := stat(ctx, st, names[i])
				if found[i] = info; err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range names {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	return found, context.Cause(ctx)
}

// Existing reports for each name of an output whether something is there. If so and o.IfExists is Fail, the error wraps
// store.ErrExists.
func (o *Options) Existing(ctx context.Context, names []string) ([]bool, error) {
	found, err := Published(ctx, o.store(), names)
	if err != nil {
		return nil, err
	}
	exist := make([]bool, len(names))
	for i, info := range found {
		if exist[i] = info != nil; exist[i] && o.IfExists == Fail {
			return nil, fmt.Errorf("%s: %w", store.Redact(names[i]), store.ErrExists)
		}
	}
	return exist, nil
}

// stat returns what is there under a name; nil for nothing.
func stat(ctx context.Context, st store.Store, name string) (*store.Info, error) {
	info, err := st.Stat(ctx, name)
	switch {
	case err == nil:
		return &info, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, store.ErrNoDir):
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", store.Redact(name), err)
}

// errNotListed means that names cannot be looked for in one listing.
var errNotListed = errors.New("not in one directory of a store")

// listed looks for names in a listing.
func listed(ctx context.Context, st store.Store, names []string) ([]*store.Info, error) {
	prefix, ok := listing(names)
	lister, canList := store.ListerFor(st, names[0])
	if !ok || !canList {
		return nil, errNotListed
	}
	wanted := make(map[string]int, len(names))
	for i, name := range names {
		wanted[store.Redact(name)] = i
	}
	found := make([]*store.Info, len(names))
	for entry, err := range lister.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store.Redact(prefix), err)
		}
		if i, ok := wanted[store.Redact(entry.Name)]; ok {
			found[i] = &entry.Info
		}
	}
	return found, nil
}

// listing returns the longest name with which all names begin, if they are in one directory of a store.
func listing(names []string) (prefix string, ok bool) {
	prefix, query := store.CutQuery(names[0])
	if !store.IsRemote(prefix) {
		return "", false
	}
	dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
	for _, name := range names {
		object, q := store.CutQuery(name)
		rest, in := strings.CutPrefix(object, dir)
		if !in || q != query || strings.ContainsRune(rest, '/') {
			return "", false
		}
		prefix = common(prefix, object)
	}
	_, inBucket := store.Split(dir)
	return prefix + query, strings.ContainsRune(inBucket, '/')
}

// common returns the longest text with which both names begin.
func common(a, b string) string {
	for !strings.HasPrefix(b, a) {
		a = a[:len(a)-1]
	}
	return a
}
