// Package difference compares two sequences of samples.
//
// A sample of one side and one of the other belong together if they have the same key; of a key that returns, the first
// with the first. They are equal if they have the same extensions with the same content: neither times nor the order of
// members count. Both sides are read at the same pace, and what is kept are the samples that have found no partner yet. So
// samples in the same order take memory only for those that one side lacks, and a sample of a shard takes some 60 bytes.
package difference

import (
	"context"
	"hash/maphash"
	"iter"

	"github.com/shardfs/shardfs/pack"
)

// Kind says how a sample, or a member, differs.
type Kind string

// The kinds.
const (
	Added   Kind = "added"   // it is on the second side only
	Removed Kind = "removed" // it is on the first side only
	Changed Kind = "changed" // its content differs
	Moved   Kind = "moved"   // of a sample: its content is the same, but not its place among the samples of both sides
)

// Difference is a difference in one sample.
type Difference struct {
	Kind    Kind
	Key     string
	A, B    int      // numbers of the sample on the two sides, from 0; -1 on the side that lacks it
	Moved   bool     // its place differs, too
	Members []Member // of a changed sample those that differ, of one that was added or removed all
}

// Member is a difference in one member.
type Member struct {
	Kind  Kind
	Ext   string
	ASize int64 // bytes; -1 on the side that lacks it
	BSize int64
}

// Options configures Find. The zero value compares keys, order and content.
type Options struct {
	KeysOnly bool // content counts as equal
	AnyOrder bool // no sample counts as moved

	// Progress, if not nil, is called with how many samples of both sides were read.
	Progress func(samples int)
}

// Count is how many samples of two sides differ.
type Count struct {
	Equal   int `json:"equal"` // the same content at the same place
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"` // some of these may have moved, too
	Moved   int `json:"moved"`   // with the same content
}

// Any reports whether there is a difference.
func (c Count) Any() bool { return c.Added+c.Removed+c.Changed+c.Moved > 0 }

// Sample is a sample of a side.
type Sample interface {
	Key() string
	Members() []pack.Member
	Base() pack.Base // of the unchanged members
	Free() error     // called when its content is no longer needed
}

// Side is one of the two sequences of samples. It ends after an error.
type Side = iter.Seq2[Sample, error]

// Find calls found with the differences between two sides: those of a sample when it has found its partner, in this order,
// then the samples that were removed and those that were added, each in their order. Find ends with the first error, also
// of found.
func Find(ctx context.Context, a, b Side, o Options, found func(Difference) error) (Count, error) {
	f := finder{o: o, found: found, seed: maphash.MakeSeed()}
	f.sides[0].init(a)
	defer f.sides[0].stop()
	f.sides[1].init(b)
	defer f.sides[1].stop()
	for n := 0; !f.sides[0].ended || !f.sides[1].ended; n++ {
		if ctx.Err() != nil {
			return f.count, context.Cause(ctx)
		}
		for i := range f.sides {
			if err := f.step(i); err != nil {
				return f.count, err
			}
		}
		if o.Progress != nil {
			o.Progress(f.sides[0].read + f.sides[1].read)
		}
	}
	for i, kind := range []Kind{Removed, Added} {
		if err := f.rest(i, kind); err != nil {
			return f.count, err
		}
	}
	return f.count, nil
}

// finder is the state of Find.
type finder struct {
	o     Options
	found func(Difference) error
	seed  maphash.Seed
	sides [2]side
	last  [2]int // numbers after those of the last pair that has not moved
	count Count
}

// waiting is a sample without a partner yet.
type waiting struct {
	sample Sample
	number int
	next   *waiting // the next one whose key has the same hash
	last   *waiting // of the first one: the last one, as a key may return any number of times
}

// side is the state of a side.
type side struct {
	next  func() (Sample, error, bool)
	stop  func()
	read  int
	ended bool

	alone map[uint64]*waiting // by hashes of keys
}

func (s *side) init(samples Side) {
	s.next, s.stop = iter.Pull2(samples)
	s.alone = make(map[uint64]*waiting)
}

// remove removes a waiting sample; before is the one before it with the same hash, if there is one.
func (s *side) remove(hash uint64, before, w *waiting) {
	switch {
	case before != nil:
		if before.next = w.next; w.next == nil {
			s.alone[hash].last = before
		}
	case w.next != nil:
		w.next.last = w.last
		s.alone[hash] = w.next
	default:
		delete(s.alone, hash)
	}
}

// step reads a sample of a side. If its partner waits, they are compared, else it waits itself.
func (f *finder) step(i int) error {
	s, other := &f.sides[i], &f.sides[1-i]
	if s.ended {
		return nil
	}
	sample, err, ok := s.next()
	if !ok || err != nil {
		s.ended = true
		return err
	}
	number, key := s.read, sample.Key()
	s.read++
	hash := maphash.String(f.seed, key)
	for at, before := other.alone[hash], (*waiting)(nil); at != nil; at, before = at.next, at {
		if at.sample.Key() != key {
			continue
		}
		other.remove(hash, before, at)
		pair := [2]*waiting{at, {sample: sample, number: number}}
		if i == 0 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		return f.compare(pair[0], pair[1])
	}
	w := &waiting{sample: sample, number: number}
	if first := s.alone[hash]; first == nil {
		s.alone[hash], w.last = w, w
	} else {
		first.last.next, first.last = w, w
	}
	return nil
}

// compare compares two samples with one key.
func (f *finder) compare(a, b *waiting) error {
	d := Difference{Kind: Changed, Key: a.sample.Key(), A: a.number, B: b.number}
	// Of two samples whose order was exchanged, the one that has come from farther finds its partner later.
	d.Moved = !f.o.AnyOrder && (a.number < f.last[0] || b.number < f.last[1])
	if !d.Moved {
		f.last[0], f.last[1] = a.number+1, b.number+1
	}
	if !f.o.KeysOnly {
		var err error
		if d.Members, err = members(a.sample, b.sample); err != nil {
			return err
		}
	}
	if err := free(a.sample, b.sample); err != nil {
		return err
	}
	switch {
	case d.Members != nil:
		f.count.Changed++
	case d.Moved:
		d.Kind = Moved
		f.count.Moved++
	default:
		f.count.Equal++
		return nil
	}
	return f.found(d)
}

func free(samples ...Sample) error {
	for _, s := range samples {
		if err := s.Free(); err != nil {
			return err
		}
	}
	return nil
}

// rest reports the samples of a side that have found no partner.
func (f *finder) rest(i int, kind Kind) error {
	for _, w := range f.sides[i].inOrder() {
		d := Difference{Kind: kind, Key: w.sample.Key(), A: -1, B: -1}
		for _, m := range w.sample.Members() {
			c := Member{kind, m.Ext, -1, -1}
			if i == 0 {
				c.ASize = Size(w.sample, m)
			} else {
				c.BSize = Size(w.sample, m)
			}
			d.Members = append(d.Members, c)
		}
		if i == 0 {
			d.A = w.number
			f.count.Removed++
		} else {
			d.B = w.number
			f.count.Added++
		}
		if err := f.found(d); err != nil {
			return err
		}
		if err := w.sample.Free(); err != nil {
			return err
		}
	}
	return nil
}
