package survey

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"slices"
)

// Distribution is how often numbers occur that are at least 0, such as sizes. Count, sum, minimum and maximum are exact. So
// is the median as long as there are at most 65 536 different numbers; else they are counted in steps, 64 from a power of
// two to the next, and it is exact to 0.8 %. The steps are what the JSON has. The zero Distribution is empty.
type Distribution struct {
	count, sum, least, most int64

	numbers map[int64]int64 // how often each occurs, or a step, by its first number
	steps   bool            // numbers has steps
	median  int64           // of what was read from JSON, until something is added; else unknown
}

const (
	unknown = -1
	precise = 1 << 16 // different numbers that are counted one by one
	octave  = 6       // binary logarithm of the steps in an octave
)

// step returns the first number of the step of n. Numbers below 128 are steps of their own.
func step(n int64) int64 {
	shift := max(bits.Len64(uint64(n))-octave-1, 0)
	return n >> shift << shift
}

// middle returns the number that stands for those of a step.
func middle(first int64) int64 {
	shift := max(bits.Len64(uint64(first))-octave-1, 0)
	return first + int64(1)<<shift/2
}

// Add counts a number. Negative ones count as 0.
func (d *Distribution) Add(n int64) { d.add(max(n, 0), 1) }

func (d *Distribution) add(n, times int64) {
	if d.count == 0 {
		*d = Distribution{least: n, most: n, numbers: make(map[int64]int64)}
	}
	d.least, d.most = min(d.least, n), max(d.most, n)
	d.count, d.sum, d.median = d.count+times, d.sum+n*times, unknown
	d.put(n, times)
}

// put counts a number among numbers only.
func (d *Distribution) put(n, times int64) {
	if d.steps {
		n = step(n)
	}
	if d.numbers[n] += times; len(d.numbers) > precise {
		d.coarsen()
	}
}

func (d *Distribution) coarsen() {
	if !d.steps {
		d.numbers, d.steps = d.histogram(), true
	}
}

// histogram returns how often the numbers of each step occur.
func (d *Distribution) histogram() map[int64]int64 {
	h := make(map[int64]int64)
	for n, times := range d.numbers {
		h[step(n)] += times
	}
	return h
}

// Merge adds the numbers of another one, which is not changed.
func (d *Distribution) Merge(other *Distribution) {
	switch {
	case other.count == 0:
		return
	case d.count == 0:
		*d = *other
		d.numbers = maps.Clone(other.numbers)
		return
	}
	if other.steps {
		d.coarsen()
	}
	d.least, d.most = min(d.least, other.least), max(d.most, other.most)
	d.count, d.sum, d.median = d.count+other.count, d.sum+other.sum, unknown
	for n, times := range other.numbers {
		d.put(n, times)
	}
}

// Count returns how many numbers there are.
func (d *Distribution) Count() int64 { return d.count }

// Sum returns the sum of the numbers.
func (d *Distribution) Sum() int64 { return d.sum }

// Min returns the least number, 0 if there is none.
func (d *Distribution) Min() int64 { return d.least }

// Max returns the greatest number, 0 if there is none.
func (d *Distribution) Max() int64 { return d.most }

// Median returns the number at half of the count; of an even count, the one before. It is 0 if there is none.
func (d *Distribution) Median() int64 {
	if d.count == 0 {
		return 0
	}
	if d.median == unknown {
		var at int64
		for _, n := range slices.Sorted(maps.Keys(d.numbers)) {
			if at += d.numbers[n]; 2*at >= d.count {
				if d.median = n; d.steps {
					d.median = min(max(middle(n), d.least), d.most)
				}
				break
			}
		}
	}
	return d.median
}

// Step is a range of numbers, and how often they occur.
type Step struct{ From, Count int64 }

// Histogram returns the steps that have numbers, ascending.
func (d *Distribution) Histogram() (list []Step) {
	h := d.histogram()
	for _, from := range slices.Sorted(maps.Keys(h)) {
		list = append(list, Step{from, h[from]})
	}
	return list
}

// distribution is a Distribution as JSON.
type distribution struct {
	Count     int64      `json:"count"`
	Sum       int64      `json:"sum"`
	Min       int64      `json:"min"`
	Median    int64      `json:"median"`
	Max       int64      `json:"max"`
	Histogram [][2]int64 `json:"histogram"`
}

// MarshalJSON implements json.Marshaler.
func (d *Distribution) MarshalJSON() ([]byte, error) {
	j := distribution{d.count, d.sum, d.least, d.Median(), d.most, [][2]int64{}}
	for _, s := range d.Histogram() {
		j.Histogram = append(j.Histogram, [2]int64{s.From, s.Count})
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler. The numbers are then counted in steps.
func (d *Distribution) UnmarshalJSON(b []byte) error {
	var j distribution
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*d = Distribution{}
	if j.Count == 0 {
		return nil
	}
	numbers, count := make(map[int64]int64), int64(0)
	for _, s := range j.Histogram {
		if s[0] < 0 || s[1] <= 0 || step(s[0]) != s[0] {
			return fmt.Errorf("a step of a distribution is %v", s)
		}
		numbers[s[0]] += s[1]
		count += s[1]
	}
	if count != j.Count {
		return fmt.Errorf("a distribution of %d numbers has %d", j.Count, count)
	}
	*d = Distribution{j.Count, j.Sum, j.Min, j.Max, numbers, true, j.Median}
	return nil
}
