package gallery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/shardfs/shardfs/internal/lru"
	"github.com/shardfs/shardfs/internal/picture"
)

// Sides of thumbnails, in pixels.
const (
	leastSide   = 16
	defaultSide = 256
	mostSide    = 2048
)

// Budgets of thumbnails, in bytes.
const (
	thumbBudget  = 32 << 20  // of those that are kept
	decodeBudget = 320 << 20 // of pictures that are being decoded
)

// thumbKey names a thumbnail: the version of the source, and what was asked for.
type thumbKey struct {
	part, generation, n, m, side int
	before                       bool
}

// thumb is a thumbnail.
type thumb struct {
	mediaType string
	bytes     []byte
}

// thumbs makes thumbnails, and keeps those that were used last.
type thumbs struct {
	most   int64               // how many are made at a time
	cpus   *semaphore.Weighted // has room for so many
	memory *semaphore.Weighted // bytes of decoded pictures

	mu   sync.Mutex // guards kept
	kept *lru.Cache[thumbKey, thumb]
}

// newThumbs returns an empty cache of thumbnails.
func newThumbs() *thumbs {
	cost := func(t thumb) int64 { return int64(len(t.bytes)) + 200 }
	most := int64(runtime.GOMAXPROCS(0))
	return &thumbs{
		most: most, cpus: semaphore.NewWeighted(most),
		memory: semaphore.NewWeighted(decodeBudget),
		kept:   lru.New[thumbKey, thumb](thumbBudget, cost, nil),
	}
}

// get returns a thumbnail that is kept, or what make makes.
func (t *thumbs) get(ctx context.Context, key thumbKey, make func() (thumb, error)) (thumb, error) {
	t.mu.Lock()
	found, ok := t.kept.Get(key)
	t.mu.Unlock()
	if ok {
		return found, nil
	}
	if err := t.cpus.Acquire(ctx, 1); err != nil {
		return found, err
	}
	defer t.cpus.Release(1)
	found, err := make()
	if err == nil {
		t.mu.Lock()
		t.kept.Add(key, found)
		t.mu.Unlock()
	}
	return found, err
}

// thumb answers with a small picture of a member.
func (g *Gallery) thumb(w http.ResponseWriter, r *http.Request, n, m int) error {
	side, err := parameter(r, "side", defaultSide, mostSide)
	if err != nil {
		return err
	}
	shot := g.set.now(r.Context())
	seg, number, err := shot.at(n)
	if err != nil {
		return err
	}
	key := thumbKey{seg.number, shot.generation, n, m, max(side, leastSide), r.URL.Query().Get("before") == "1"}
	found, err := g.thumbs.get(r.Context(), key, func() (thumb, error) {
		seg.announceOne(number)
		return g.makeThumb(r, key)
	})
	if err != nil {
		return err
	}
	send(w, r, found.mediaType, found.bytes)
	return nil
}

// makeThumb makes a thumbnail.
func (g *Gallery) makeThumb(r *http.Request, key thumbKey) (t thumb, err error) {
	c, e, err := g.open(r, key.n, key.m)
	if err != nil {
		return t, err
	}
	defer c.Close()
	name := e.name(key.m)
	info, err := picture.Config(c, c.size)
	if err != nil && !errors.Is(err, picture.ErrTooFar) {
		return t, pictureError(name, err)
	}
	weight := min(int64(info.Width)*int64(info.Height)*4+c.size, decodeBudget)
	if err := g.thumbs.memory.Acquire(r.Context(), weight); err != nil {
		return t, err
	}
	defer g.thumbs.memory.Release(weight)
	m, err := picture.Thumbnail(c.reader(), c.size, key.side)
	if err != nil {
		return t, pictureError(name, err)
	}
	var b bytes.Buffer
	if t.mediaType, err = picture.Encode(&b, m); err != nil {
		return t, err
	}
	t.bytes = b.Bytes()
	return t, nil
}

// pictureError returns the error for a picture that cannot be shown.
func pictureError(name string, err error) error {
	switch {
	case errors.Is(err, picture.ErrTooLarge):
		return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("%s: %v", name, err)}
	case statusOf(err) == http.StatusInternalServerError:
		return &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf("%s: %v", name, err)}
	}
	return fmt.Errorf("%s: %w", name, err)
}
