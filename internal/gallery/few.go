package gallery

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/lru"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
)

// openShare is which part of the descriptors that this process may have is for shards: one in so many. The rest is for
// connections, and for what opening shards takes.
const openShare = 4

// within returns a store for sources of these names. If they are so many that their files cannot all be open, only those
// that were used last are.
func within(names []source.Name, in store.Store) store.Store {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return in
	}
	most := max(limit.Cur/openShare, 1)
	if uint64(len(names)) <= most {
		return in
	}
	return newFew(in, int64(most))
}

// few is a store of which at most so many local objects are open at a time. Others are opened again when they are read.
type few struct {
	store.Store

	// mu guards the fields below, and those of objects. It is held while an object is opened, which is a matter of
	// microseconds for a file.
	mu    sync.Mutex
	idle  *lru.Cache[*resting, *resting] // open and unused
	inUse int                            // open and used
}

// newFew returns a few that has another store's objects.
func newFew(in store.Store, most int64) *few {
	return &few{Store: in, idle: lru.New(most, nil, func(o, _ *resting) {
		o.open.Close()
		o.open = nil
	})}
}

// Open implements [store.Store].
func (f *few) Open(ctx context.Context, name string) (store.Object, error) {
	if store.IsRemote(name) {
		return f.Store.Open(ctx, name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle.MakeRoom(int64(f.inUse) + 1)
	open, err := f.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	o := &resting{from: f, name: name, open: open, size: open.Size(), version: open.Version()}
	if dated, ok := open.(store.Dated); ok {
		o.modTime = dated.ModTime()
	}
	f.idle.Add(o, o)
	return o, nil
}

// resting is an object of few. It is safe for concurrent use.
type resting struct {
	from    *few
	name    string
	size    int64
	version store.Version
	modTime time.Time

	open   store.Object // nil while it rests
	users  int
	closed bool
}

// Size implements [store.Object].
func (o *resting) Size() int64 { return o.size }

// Version implements [store.Object].
func (o *resting) Version() store.Version { return o.version }

// ModTime implements [store.Dated].
func (o *resting) ModTime() time.Time { return o.modTime }

// use opens the object, if it rests, until release. The error is ErrChanged if its name has another version.
func (o *resting) use(ctx context.Context) (store.Object, error) {
	f := o.from
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.closed {
		return nil, os.ErrClosed
	}
	if o.open == nil {
		f.idle.MakeRoom(int64(f.inUse) + 1)
		open, err := f.Store.Open(ctx, o.name)
		if err == nil && open.Version() != o.version {
			open.Close()
			err = errOther
		}
		if err != nil {
			return nil, err
		}
		o.open = open
	}
	if o.users++; o.users == 1 {
		f.idle.Remove(o)
		f.inUse++
	}
	return o.open, nil
}

// errOther means that a name has another object.
var errOther = fmt.Errorf("%w: another file has its name", store.ErrChanged)

// release ends a use.
func (o *resting) release() {
	f := o.from
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.users--; o.users > 0 {
		return
	}
	f.inUse--
	if o.closed {
		o.open.Close()
		o.open = nil
		return
	}
	f.idle.MakeRoom(int64(f.inUse) + 1)
	f.idle.Add(o, o)
}

// ReadAt implements [store.Object].
func (o *resting) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	open, err := o.use(ctx)
	if err != nil {
		return 0, err
	}
	defer o.release()
	return open.ReadAt(ctx, p, off)
}

// WillRead implements [store.Advisor].
func (o *resting) WillRead(off, n int64) {
	open, err := o.use(context.Background())
	if err != nil {
		return // the read says so
	}
	defer o.release()
	if advisor, ok := open.(store.Advisor); ok {
		advisor.WillRead(off, n)
	}
}

// Unchanged implements [store.Object]. While the object rests, it asks what has its name.
func (o *resting) Unchanged(ctx context.Context) error {
	o.from.mu.Lock()
	rests := o.open == nil
	o.from.mu.Unlock()
	if rests {
		now, err := o.from.Stat(ctx, o.name)
		if err == nil && now.Version != o.version {
			err = errOther
		}
		return err
	}
	open, err := o.use(ctx)
	if err != nil {
		return err
	}
	defer o.release()
	return open.Unchanged(ctx)
}

// Close implements [store.Object].
func (o *resting) Close() error {
	f := o.from
	f.mu.Lock()
	defer f.mu.Unlock()
	o.closed = true
	if o.users > 0 || o.open == nil {
		return nil
	}
	f.idle.Remove(o)
	err := o.open.Close()
	o.open = nil
	return err
}
