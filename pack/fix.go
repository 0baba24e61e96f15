package pack

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrRepeated means that a sample has an extension twice, and nothing says which of the two members to keep.
var ErrRepeated = errors.New("two members have the extension")

// Repeated says what becomes of a member with the extension of an earlier member of its sample.
type Repeated uint8

const (
	RefuseRepeated Repeated = iota // an error that wraps ErrRepeated
	KeepFirst                      // the member is left out
	KeepLast                       // the earlier one is left out
	Renumber                       // it gets an extension of its own: 2.jpg, 3.jpg
)

// Fix mends a shard without touching content, so that all readers find the same samples in it. The members of a sample
// come one after another, at the place of its first; names are portable, have at most 100 bytes and differ in more than
// case; headers are plain; entries outside samples and hidden files are left out. A Fix is for one shard, and not safe
// for concurrent use.
type Fix struct {
	Repeated Repeated
	Fixed    Fixed // counts what has been mended
}

// Fixed counts what a Fix has mended, besides headers.
type Fixed struct {
	Renamed  int `json:"renamed"`  // members with another name
	Gathered int `json:"gathered"` // samples whose members were apart
	Repeated int `json:"repeated"` // members that had the extension of another one
	Dropped  int `json:"dropped"`  // entries that are left out because they belong to no sample
}

// Samples yields the mended samples of a shard. All keys' hashes are in memory, which takes some 60 bytes a sample.
// Errors wrap ErrRepeated or are those of the index.
func (f *Fix) Samples(b Base) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		m := mending{Fix: f, b: b, seed: maphash.MakeSeed(), taken: make(map[uint64]bool), done: make(map[int]bool)}
		m.findRepeats()
		f.Fixed.Dropped += b.Index.Outside()
		for n := range b.Index.Samples() {
			s, err := m.sample(n)
			if err == nil {
				err = b.Index.Err()
			}
			if err != nil {
				yield(Sample{}, b.named(err))
				return
			}
			if !s.Empty() && !yield(s, nil) {
				return
			}
		}
	}
}

// mending is one call of Fix.Samples.
type mending struct {
	*Fix
	b       Base
	seed    maphash.Seed
	repeats map[uint64][]int // numbers of the samples whose plain keys have the same hash, if there are several
	done    map[int]bool     // numbers of the samples that were gathered into an earlier one
	taken   map[uint64]bool  // hashes of the keys used so far, in lower case
}

// findRepeats fills m.repeats.
func (m *mending) findRepeats() {
	type hashed struct {
		hash   uint64
		number int
	}
	all := make([]hashed, m.b.Index.Samples())
	for n := range all {
		all[n] = hashed{maphash.String(m.seed, m.key(n)), n}
	}
	slices.SortFunc(all, func(a, b hashed) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.number, b.number))
	})
	m.repeats = make(map[uint64][]int)
	for i := 1; i < len(all); i++ {
		if hash := all[i].hash; hash == all[i-1].hash {
			if m.repeats[hash] == nil {
				m.repeats[hash] = []int{all[i-1].number}
			}
			m.repeats[hash] = append(m.repeats[hash], all[i].number)
		}
	}
}

// key returns the plain key of a sample; "" if its files are hidden.
func (m *mending) key(number int) string { return plainKey(m.b.Index.Sample(number).Key) }

// sample returns the mended sample that begins with the one with this number; an empty one if it was part of an earlier
// one, or is left out.
func (m *mending) sample(number int) (Sample, error) {
	if m.done[number] {
		return Sample{}, nil
	}
	key := m.key(number)
	numbers := []int{number}
	for _, n := range m.repeats[maphash.String(m.seed, key)] {
		if n > number && m.key(n) == key {
			numbers, m.done[n] = append(numbers, n), true
		}
	}
	var members []Member
	renamed := m.Fixed.Renamed
	for _, n := range numbers {
		s := m.b.Index.Sample(n)
		for _, member := range rowMembers(m.b.Index, s.Start, s.End) {
			if key == "" {
				m.Fixed.Dropped++
				continue
			}
			was := s.Key + "." + member.Ext
			var err error
			if members, err = m.add(members, member); err != nil {
				return Sample{}, fmt.Errorf("sample %s: %w", key, err)
			}
			if last := members[len(members)-1]; was != key+"."+last.Ext {
				m.Fixed.Renamed++
			}
		}
	}
	if len(numbers) > 1 && key != "" {
		m.Fixed.Gathered++
	}
	if len(members) == 0 {
		return Sample{}, nil
	}
	s := New(m.unique(portableKey(key), members), members)
	s.Base = m.b
	if s.Key != key {
		m.Fixed.Renamed = renamed + len(members)
	}
	return s, nil
}

// add adds a member of the shard under a portable extension and a new header.
func (m *mending) add(members []Member, member Member) ([]Member, error) {
	member.Ext, member.Row = portableExt(member.Ext), Changed
	member.File.ModTime = plainTime(member.File.ModTime)
	same := func(ext string) int {
		return slices.IndexFunc(members, func(m Member) bool { return m.Ext == ext })
	}
	i := same(member.Ext)
	if i < 0 {
		return append(members, member), nil
	}
	m.Fixed.Repeated++
	switch m.Fix.Repeated {
	case KeepFirst:
		return members, nil
	case KeepLast:
		return append(slices.Delete(members, i, i+1), member), nil
	case Renumber:
		ext := member.Ext
		for n := 2; same(member.Ext) >= 0; n++ {
			member.Ext = strconv.Itoa(n) + "." + ext
		}
		return append(members, member), nil
	}
	return nil, fmt.Errorf("%w %s", ErrRepeated, member.Ext)
}

// longestName is the length in bytes of the longest name that a plain header has room for in one field.
const longestName = 100

// unique returns a key for members: the same if it is short enough for their names, and differs from all earlier ones in
// more than case.
func (m *mending) unique(key string, members []Member) string {
	most := longestName - 1
	for _, member := range members {
		most = min(most, longestName-1-len(member.Ext))
	}
	short := shortened(key, most)
	for n := 2; ; n++ {
		if hash := maphash.String(m.seed, strings.ToLower(short)); !m.taken[hash] {
			m.taken[hash] = true
			return short
		}
		end := "-" + strconv.Itoa(n)
		short = shortened(key, most-len(end)) + end
	}
}

// plainTime returns the time nearest to t that a plain header has room for.
func plainTime(t time.Time) time.Time {
	const latest = 1<<33 - 1 // eleven octal digits
	return time.Unix(min(max(t.Unix(), 0), latest), 0)
}
