package survey

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/anytext"
)

// Tally counts values, such as classes. It keeps the first MaxValues different ones, of which it is exact, and counts all
// others as one. The zero Tally is empty.
type Tally struct {
	values map[string]int64
	others int64
}

// Limits of a Tally.
const (
	MaxValues = 10000 // different values
	MaxValue  = 200   // bytes of a value; longer ones are among the others
)

// Value is a value, and how often it occurs.
type Value struct {
	Value anytext.Text `json:"value"`
	Count int64        `json:"count"`
}

// Add counts a value.
func (t *Tally) Add(value string) { t.add(value, 1) }

func (t *Tally) add(value string, times int64) {
	if _, known := t.values[value]; !known && (len(t.values) >= MaxValues || len(value) > MaxValue) {
		t.others += times
		return
	}
	if t.values == nil {
		t.values = make(map[string]int64)
	}
	t.values[value] += times
}

// Merge adds the values of another one, which is not changed.
func (t *Tally) Merge(other *Tally) {
	t.others += other.others
	for _, v := range other.Values() {
		t.add(string(v.Value), v.Count)
	}
}

// Values returns the values, the most frequent ones first, and equally frequent ones by their bytes.
func (t *Tally) Values() []Value {
	list := make([]Value, 0, len(t.values))
	for v, n := range t.values {
		list = append(list, Value{anytext.Text(v), n})
	}
	slices.SortFunc(list, func(a, b Value) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Value), string(b.Value)))
	})
	return list
}

// Others returns how often values occur that are not kept.
func (t *Tally) Others() int64 { return t.others }

// Count returns how many values were counted.
func (t *Tally) Count() int64 {
	n := t.others
	for _, times := range t.values {
		n += times
	}
	return n
}
