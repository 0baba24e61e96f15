package gallery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
)

// The states of a part.
const (
	waiting  = "waiting"  // it was not opened yet
	indexing = "indexing" // its samples so far are there
	ready    = "ready"
	failed   = "failed"
	replaced = "replaced" // another file has its name, or it was written to
)

// patience is how long opening a source waits for its index.
const patience = time.Second

// part is one source of a set.
type part struct {
	name   source.Name
	shown  string       // the name, without credentials
	done   atomic.Int64 // bytes that were read for the index
	size   atomic.Int64 // of its shard
	proves atomic.Bool  // its sidecar has turned out to be false, and is compared with middle and end, too

	mu     sync.Mutex // guards the fields below
	opened            // with the state waiting or failed until there is a source
	err    error      // why its state is failed or replaced
	looked time.Time
}

// opened is a source, and what is known of it.
type opened struct {
	src     *source.Source
	state   string
	samples samples // nil until some are known
	stamp   string  // of the changes of a mount that samples has
}

// open opens the source of a part that has none yet, and returns when its samples are known, or are being found. Ctx ends
// reads of the source.
func (p *part) open(ctx context.Context, o source.Options) error {
	now, err := p.load(ctx, o)
	if err != nil {
		return p.fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened = now
	return nil
}

// load opens the source of a part, for open. It leaves the part as it is but for the progress of indexing.
func (p *part) load(ctx context.Context, o source.Options) (opened, error) {
	o.Folder = new(folder.Options)
	o.Shard.Growing, o.Shard.Patience = true, patience
	o.Shard.Unproved = !p.proves.Load()
	o.Shard.Progress = func(done, size int64) {
		p.done.Store(done)
		p.size.Store(size)
	}
	src, err := source.Open(ctx, p.name, o)
	if err != nil {
		return opened{}, err
	}
	now := opened{src: src, state: ready}
	switch {
	case src.Changes != nil:
		if now.stamp, err = src.Changes.Stamp(); err == nil {
			now.samples, err = newMountSamples(src.Changes)
		}
	case src.Shard == nil:
		now.samples, err = list(ctx, src)
	case src.Shard.Growing():
		err = src.Shard.Wait(ctx, func(x *index.Index) bool {
			now.samples = shardSamples{src.Shard, x.Known()}
			return x.Samples() > 0
		})
	default:
		now.samples = shardSamples{src.Shard, src.Shard.Index}
	}
	if err != nil {
		return opened{}, errors.Join(err, src.Close())
	}
	if src.Shard != nil && src.Shard.Grew() {
		now.state = indexing
	}
	return now, nil
}

// fail records the error that ends the part.
func (p *part) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.err = failed, err
	return err
}

// await waits until the shard of a part is indexed, which ends with ctx.
func (p *part) await(ctx context.Context, o source.Options) {
	p.mu.Lock()
	src, state := p.src, p.state
	p.mu.Unlock()
	if state != indexing {
		return
	}
	defer context.AfterFunc(ctx, func() { src.Shard.StopScan(context.Background()) })()
	source.WarnWhenIndexed(o.UI, src.Shard)
	f, err := src.Shard.Built()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.src != src:
	case err != nil:
		p.state, p.err = failed, fmt.Errorf("%s: %w", src.Name, err)
	default:
		p.state, p.samples = ready, shardSamples{src.Shard, f.Index}
	}
}

// refreshTime is how old the view of what changes may be.
const refreshTime = 300 * time.Millisecond

// look looks for what is new in the part, unless it has just done so. It reports whether the samples so far may have
// changed, or got other numbers.
func (p *part) look(ctx context.Context, now time.Time, st store.Store) (other bool) {
	p.mu.Lock()
	src, state, fresh := p.src, p.state, now.Sub(p.looked) < refreshTime
	if src == nil || fresh || state == failed || state == replaced {
		p.mu.Unlock()
		return false
	}
	p.looked = now
	was := p.samples
	p.mu.Unlock()
	if src.Shard != nil && src.Changes == nil {
		if err := unreplaced(ctx, src.Shard, st); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.src == src { // else another one was opened meanwhile
				p.state, p.err = replaced, err
				p.proves.Store(p.proves.Load() || errors.Is(err, index.ErrStale))
			}
			return false
		}
	}
	switch {
	case src.Changes != nil:
		if err := p.refresh(src); err != nil {
			p.fail(err)
			return true
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.samples != was
	case state == indexing:
		var s samples
		src.Shard.Wait(ctx, func(x *index.Index) bool {
			s = shardSamples{src.Shard, x.Known()}
			return true
		})
		p.mu.Lock()
		defer p.mu.Unlock()
		if s != nil && p.src == src && p.state == indexing && s.count() > p.samples.count() {
			p.samples = s
		}
	}
	return false
}

// refresh brings the samples of a mount up to date.
func (p *part) refresh(src *source.Source) error {
	stamp, err := src.Changes.Stamp()
	if err != nil {
		return err
	}
	p.mu.Lock()
	same := p.samples != nil && p.stamp == stamp
	p.mu.Unlock()
	if same {
		return nil
	}
	s, err := newMountSamples(src.Changes)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.src == src {
		p.samples, p.stamp = s, stamp
	}
	return nil
}

// unreplaced returns an error that wraps ErrChanged if a shard is not any more what was opened, or ErrStale if it was
// opened with the sidecar of another one. Of a remote one it knows what reads have found.
func unreplaced(ctx context.Context, sh *shard.Shard, st store.Store) error {
	err := sh.Unchanged(ctx)
	if err == nil && sh.Unproved() {
		err = sh.Index.Err()
	}
	if err == nil && !store.IsRemote(sh.Path()) {
		var now store.Info
		now, err = st.Stat(ctx, sh.Path())
		if err == nil && string(now.Version) != sh.Origin.Version {
			err = fmt.Errorf("%w: another file has its name", store.ErrChanged)
		}
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", sh.Name, err)
	}
	return nil
}

// close closes the source.
func (p *part) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.src == nil {
		return nil
	}
	src := p.src
	p.src = nil
	return src.Close()
}
