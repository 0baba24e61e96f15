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
	opened "github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// indexFile says how long an index file is, and how long it takes to open a shard by one, however many members that has.
func (b *bench) indexFile(ctx context.Context) (rows []row, err error) {
	const asked = 40
	dir := b.path("indexed")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil { // index files that others could change are not mapped
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var sides []*side
	var each []row
	for _, members := range []int{1_000, 1_000_000, 10_000_000} {
		note("index-file: indexing %s members", group(float64(members)))
		h, err := newHollow(fmt.Sprintf("%s/%d.tar", dir, members), members)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(h.index)
		if err != nil {
			return nil, err
		}
		sides = append(sides, h.opening())
		length := float64(info.Size())
		each = append(each, atMost(fmt.Sprintf("index file, by member, of %s", group(float64(members))),
			[]float64{length / float64(members)}, asked, func(x float64) string { return fmt.Sprintf("%.3g bytes", x) },
			"# as `shardfs index --index FILE` writes it, names such as 000000.jpg and 000000.cls"))
	}
	if err := b.interleave(ctx, "index-file", sides...); err != nil {
		return nil, err
	}
	few, million, many := sides[0], sides[1], sides[2]
	return append(each[1:], // of a thousand, the fixed part counts most
		against("open a shard of 1 000 000 members by it; peer: of 1 000", milliseconds, million, few, 0),
		against("the same, of 10 000 000", milliseconds, many, few, 0.5),
	), nil
}

// A hollow is a shard of which there is only the index: its file has the length of the tar, and is a hole.
type hollow struct {
	name, index string
	members     int
}

// newHollow makes a shard of samples of two members, a picture and a class, as they would be written one after the other.
func newHollow(name string, members int) (*hollow, error) {
	h := &hollow{name, name + opened.SidecarSuffix, members}
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
			ModTime: begun.Add(time.Duration(i) * time.Millisecond).Truncate(time.Second).UnixNano(), Mode: 0o644, Regular: true,
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
	saved := &index.Saved{Index: x.Finish(at)}
	saved.Map.Plain = at + trailer
	if err := h.bind(saved); err != nil {
		return nil, err
	}
	return h, create(h.index, saved.Write)
}

// key is that of a sample.
func (h *hollow) key(number int) string { return fmt.Sprintf("%06d", number) }

// bind says in an index that it is that of the shard.
func (h *hollow) bind(saved *index.Saved) error {
	object, err := store.Open(h.name)
	if err != nil {
		return err
	}
	defer object.Close()
	probe, err := store.Probe(object, object.Size())
	saved.Origin = index.Origin{
		Size: object.Size(), ModTime: object.ModTime(), Inode: object.Inode(), Probe: hex.EncodeToString(probe[:]),
	}
	return err
}

// opening is a side that opens the shard by its index file. It does so some times, because once is too short to be timed.
func (h *hollow) opening() *side {
	const times = 20
	return &side{
		command: fmt.Sprintf("# shard.Open with an index file, of %s members", group(float64(h.members))),
		run: func(ctx context.Context) (float64, error) {
			var took []float64
			for range times {
				seconds, err := h.open(ctx)
				if err != nil {
					return 0, err
				}
				took = append(took, seconds)
			}
			return median(took), nil
		},
	}
}

// open opens the shard, says how long that took, and finds the last sample.
func (h *hollow) open(ctx context.Context) (float64, error) {
	start := time.Now()
	sh, err := opened.Open(ctx, h.name, opened.Options{IndexFile: h.index})
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
