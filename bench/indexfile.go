package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// indexFile reports the size of an index file, and the time to open a shard with one, for different numbers of members.
func (b *bench) indexFile(ctx context.Context) (*plan, error) {
	dir := b.path("indexed")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { // an index file that others could change is not mapped
		return nil, err
	}
	p := new(plan)
	p.later(func() error { return os.RemoveAll(dir) })
	for _, members := range []int{1_000, 1_000_000, 10_000_000} {
		note("IndexFile: indexing %s members", group(float64(members)))
		h, err := newHollow(fmt.Sprintf("%s/%d.tar", dir, members), members)
		if err != nil {
			return nil, err
		}
		p.trials = append(p.trials, h.opening())
	}
	return p, nil
}

// A hollow is a shard that exists only as an index: its file has the size of the tar, but is a hole.
type hollow struct {
	name, index string
	members     int
}

// newHollow makes a shard of samples with two members, a picture and a class.
func newHollow(name string, members int) (*hollow, error) {
	h := &hollow{name, name + shard.SidecarSuffix, members}
	var x index.Builder
	rng := rand.New(rand.NewPCG(3, 3))
	begun := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var at int64
	for i := range members {
		size, ext := int64(1+rng.IntN(3)), "cls"
		if i%2 == 0 {
			size, ext = 60_000+rng.Int64N(80_001), "jpg"
		}
		e := index.Entry{
			Name: []byte(h.key(i/2) + "." + ext), Header: at, Data: at + block, Size: size, Stored: size,
			End:     at + block + (size+block-1)/block*block,
			ModTime: begun.Add(time.Duration(i) * time.Millisecond).Truncate(time.Second), Mode: 0o644,
			Regular: true,
		}
		if err := x.Add(&e); err != nil {
			return nil, err
		}
		at = e.End
	}
	if err := create(name, func(w io.Writer) error { return nil }); err != nil {
		return nil, err
	}
	if err := os.Truncate(name, at+trailer); err != nil {
		return nil, err
	}
	saved := &index.File{Index: x.Finish(at)}
	saved.Map.Plain = at + trailer
	if err := h.bind(saved); err != nil {
		return nil, err
	}
	return h, create(h.index, saved.Write)
}

// key returns the key of a sample.
func (h *hollow) key(number int) string { return fmt.Sprintf("%06d", number) }

// bind sets the origin of an index to the shard.
func (h *hollow) bind(saved *index.File) error {
	object, err := file.Store{}.Open(context.Background(), h.name)
	if err != nil {
		return err
	}
	defer object.Close()
	probe, err := store.Probe(store.At(context.Background(), object), object.Size())
	saved.Origin = index.Origin{
		Size: object.Size(), Version: string(object.Version()), Probe: hex.EncodeToString(probe[:]),
	}
	return err
}

// opening returns a trial that opens the shard with its index file, several times, because once is too short for
// timing.
func (h *hollow) opening() *trial {
	const times = 20
	name := fmt.Sprintf("members=%d", h.members)
	return &trial{
		command: fmt.Sprintf("# shard.Open with an index file, of %s members", group(float64(h.members))),
		figures: []*figure{timed("open/"+name, work{}), quantity("bytes/"+name, "B/member")},
		run: func(ctx context.Context) ([]float64, error) {
			var took []float64
			for range times {
				seconds, err := h.open(ctx)
				if err != nil {
					return nil, err
				}
				took = append(took, seconds)
			}
			info, err := os.Stat(h.index)
			if err != nil {
				return nil, err
			}
			return []float64{median(took), float64(info.Size()) / float64(h.members)}, nil
		},
	}
}

// open opens the shard, finds the last sample, and returns the seconds that opening took.
func (h *hollow) open(ctx context.Context) (float64, error) {
	start := time.Now()
	sh, err := shard.Open(ctx, h.name, shard.Options{IndexFile: h.index})
	seconds := time.Since(start).Seconds()
	if err != nil {
		return 0, err
	}
	last := h.members/2 - 1
	if number, ok := sh.Index.FindKey(h.key(last)); sh.Indexed || !ok || number != last {
		err = fmt.Errorf("%s: the last sample is number %d (%t), want %d", h.name, number, ok, last)
	}
	return seconds, errors.Join(err, sh.Close())
}
