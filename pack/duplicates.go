package pack

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sort"
	"strconv"

	"github.com/shardfs/shardfs/index"
)

// ErrSameKey means that two samples of an output would have one key.
var ErrSameKey = errors.New("equal keys")

// ErrSharedKey is an ErrSameKey of two inputs: none of their samples is at fault.
var ErrSharedKey = fmt.Errorf("%w", ErrSameKey)

// Duplicates says what to do about a sample whose key one before it has. Adjacent samples of one key, which would become
// one, are an error unless they are renamed.
type Duplicates uint8

const (
	// RefuseDuplicates makes them an error, except that a key may return in one input whose order is kept.
	RefuseDuplicates Duplicates = iota
	// KeepDuplicates writes them as they are.
	KeepDuplicates
	// RenameDuplicates appends ~2 to the key, or the first higher number with which no sample before has it.
	RenameDuplicates
)

// tracks reports whether a Writer must know the keys of all samples before.
func (o *Options) tracks() bool {
	return o.Duplicates == RenameDuplicates ||
		o.Duplicates == RefuseDuplicates && (len(o.Inputs) > 1 || o.Reordered)
}

// KeySet is a set of keys, each with the number of the input that it is from. It keeps only hashes.
type KeySet struct {
	seeds  [2]maphash.Seed
	inputs map[[2]uint64]int32
	next   map[[2]uint64]int // for a key that was renamed: the next number to try
	before *KeySet           // has more keys, but does not change; nil: none
}

// NewKeySet returns an empty set.
func NewKeySet() *KeySet {
	return &KeySet{
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		inputs: make(map[[2]uint64]int32), next: make(map[[2]uint64]int),
	}
}

// branch returns a set that begins with the keys of k, and to which keys are added without changing k.
func (k *KeySet) branch() *KeySet {
	if k == nil {
		return nil
	}
	b := NewKeySet()
	b.seeds, b.before = k.seeds, k
	return b
}

func (k *KeySet) hash(key string) [2]uint64 {
	return [2]uint64{maphash.String(k.seeds[0], key), maphash.String(k.seeds[1], key)}
}

// Find returns the input that the set has a key from.
func (k *KeySet) Find(key string) (input int, ok bool) {
	h := k.hash(key)
	for ; k != nil; k = k.before {
		if n, ok := k.inputs[h]; ok {
			return int(n), true
		}
	}
	return 0, false
}

// Add adds a key of an input.
func (k *KeySet) Add(key string, input int) { k.inputs[k.hash(key)] = int32(input) }

// free returns the first key with a number appended that is not in the set.
func (k *KeySet) free(key string) string {
	h := k.hash(key)
	n := 2
	for b := k; b != nil; b = b.before {
		n = max(n, b.next[h])
	}
	for ; ; n++ {
		name := key + "~" + strconv.Itoa(n)
		if _, taken := k.Find(name); !taken {
			k.next[h] = n + 1
			return name
		}
	}
}

// SameKey returns an error that wraps ErrSharedKey for a key of two inputs, which have names.
func SameKey(key, one, other string) error {
	if one == other {
		return fmt.Errorf("%w: %q is twice in %s", ErrSharedKey, key, one)
	}
	return fmt.Errorf("%w: %q is in %s and in %s", ErrSharedKey, key, one, other)
}

// distinct applies Options.Duplicates to a sample.
func (w *Writer) distinct(s *Sample) error {
	if s.Empty() {
		return nil
	}
	const why = "%w: %q is also the key of the sample before it, and the two would become one"
	neighbour := w.sum.Samples > 0 && s.Key == w.lastKey
	if w.keys == nil {
		if neighbour {
			return fmt.Errorf(why, ErrSameKey, s.Key)
		}
		return nil
	}
	before, known := w.keys.Find(s.Key)
	switch {
	case !known:
	case w.o.Duplicates == RenameDuplicates:
		s.members, s.whole, s.own = s.Members(), false, false
		s.Key = w.keys.free(s.Key)
	case before != s.Base.Input && s.Base.Input < len(w.o.Inputs):
		return SameKey(s.Key, w.o.Inputs[before], w.o.Inputs[s.Base.Input])
	case neighbour || w.o.Reordered:
		return fmt.Errorf(why, ErrSameKey, s.Key)
	}
	if n := len(w.starts); w.inOrder() && (n == 0 || w.starts[n-1].input != s.Base.Input) {
		w.starts = append(w.starts, inputStart{s.Base.Input, w.Size()})
	}
	w.keys.Add(s.Key, s.Base.Input)
	return nil
}

// inOrder reports whether samples come in the order of their inputs.
func (w *Writer) inOrder() bool { return !w.o.Reordered }

// inputStart is where the samples of an input begin in an output.
type inputStart struct {
	input  int
	offset int64
}

// Recall makes w, which continues after a Position, know the keys of the samples before it. Written reads the bytes of
// the output up to there.
func (w *Writer) Recall(written io.Reader, p Position) error {
	if w.keys == nil {
		return nil
	}
	for _, start := range p.Starts {
		w.starts = append(w.starts, inputStart{int(start[0]), start[1]})
	}
	s := index.NewScanner(written)
	for end := int64(0); end < p.Bytes; {
		e, err := s.Next()
		if err != nil {
			return err
		}
		end = e.End
		if key, _, ok := index.MemberKey(string(e.Name)); ok && e.Regular {
			input := 0
			if n := sort.Search(len(w.starts), func(i int) bool { return w.starts[i].offset > e.Header }); n > 0 {
				input = w.starts[n-1].input
			}
			w.keys.Add(key, input)
		}
	}
	return nil
}
