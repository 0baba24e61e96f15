package index

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestColumn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		story string
		value func(i int) uint64
		bytes int // most that 10 000 values may take
	}{
		{"all the same", func(int) uint64 { return 1 << 63 }, 2600},
		{"counting", func(i int) uint64 { return uint64(i) }, 2600},
		{"counting down from a large number", func(i int) uint64 { return math.MaxUint64 - 7*uint64(i) }, 2600},
		{"offsets of members of one size", func(i int) uint64 { return 1536 * uint64(i) }, 2600},
		{"offsets of members of two sizes", func(i int) uint64 { return 1536*uint64(i) + uint64(i)%2*512 }, 4000},
		{"whole seconds", func(int) uint64 { return uint64(1.7e18) + 1e9*r.Uint64N(1<<16) }, 23000},
		{"three extensions", func(i int) uint64 { return 1 + uint64(i)%3 }, 5200},
		{"anything", func(int) uint64 { return r.Uint64() }, 83000},
		{"the ends of the range", func(i int) uint64 { return uint64(i%3-1) * math.MaxInt64 }, 83000},
		{"one odd value", func(i int) uint64 {
			if i == 5000 {
				return math.MaxUint64
			}
			return 0
		}, 3700},
	} {
		var c column
		var want []uint64
		for i := range 10000 {
			want = append(want, tt.value(i))
			c.append(want[i])
		}
		check := func(when string) {
			for i, want := range want {
				if got := c.get(i); got != want {
					t.Fatalf("%s, %s: value %d is %d, want %d", tt.story, when, i, got, want)
				}
			}
		}
		check("growing")
		for _, n := range []int{9999, 9900, 3 * groupLen, 3*groupLen - 1, 5, 0} {
			cut := column{groups: c.groups, rests: c.rests, tail: c.tail, n: c.n}
			cut.cut(n)
			for i := n; i < len(want); i++ {
				cut.append(want[i])
			}
			for i, want := range want {
				if got := cut.get(i); got != want {
					t.Fatalf("%s, cut at %d: value %d is %d, want %d", tt.story, n, i, got, want)
				}
			}
		}
		c.seal()
		check("sealed")
		if n := len(memory(c.groups)) + len(memory(c.rests)); n > tt.bytes {
			t.Errorf("%s: %d bytes, want at most %d", tt.story, n, tt.bytes)
		}
	}
}

// Columns of any values are packed as the format asks for, bit by bit.
func TestColumnPacked(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		n, base := 1+r.IntN(2*groupLen+1), r.Uint64()>>r.IntN(64)
		unit, slope := r.Uint64()>>r.IntN(64)<<r.IntN(64), r.Uint64()>>r.IntN(64)
		noise := r.IntN(65)
		var values []uint64
		for i := range n {
			v := base + unit*(slope*uint64(i)+r.Uint64()>>noise)
			if r.IntN(50) == 0 {
				v = []uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 - 1, base + 1<<63}[r.IntN(6)]
			}
			values = append(values, v)
		}
		var c column
		for _, v := range values {
			c.append(v)
		}
		c.seal()
		groups, rests := packedBits(values)
		if !slices.Equal(c.groups, groups) || !slices.Equal(c.rests, rests) {
			t.Fatalf("%d are %+v and %x, want %+v and %x", values, c.groups, c.rests, groups, rests)
		}
		if got := valuesOf(&c); !slices.Equal(got, values) {
			t.Fatalf("%d came back as %d", values, got)
		}
	}
}

func valuesOf(c *column) []uint64 {
	values := make([]uint64, 0, c.n)
	for row := range c.n {
		values = append(values, c.get(row))
	}
	return values
}

// packedBits packs values a bit at a time.
func packedBits(values []uint64) (groups []group, rests []uint64) {
	for values := range slices.Chunk(values, groupLen) {
		at := uint64(len(rests))
		unit := uint64(0)
		for _, v := range values {
			if d := int64(v - values[0]); d < 0 {
				unit = gcd(unit, uint64(-d))
			} else {
				unit = gcd(unit, uint64(d))
			}
		}
		if unit == 0 {
			groups = append(groups, group{base: values[0], place: at << 8})
			continue
		}
		last := int64(values[len(values)-1]-values[0]) / int64(unit)
		slopes := []int64{0}
		if last > -1<<40 && last < 1<<40 {
			slopes = append(slopes, last<<16/int64(len(values)-1))
		}
		best, width, lowest := group{}, 65, int64(0)
		for _, slope := range slopes {
			low := int64(0)
			for i, v := range values {
				low = min(low, int64(v-values[0])/int64(unit)-line(slope, i))
			}
			most := 0
			for i, v := range values {
				rest := uint64(int64(v-values[0])/int64(unit) - line(slope, i) - low)
				most = max(most, bits.Len64(rest))
			}
			if most < width {
				best = group{values[0] + unit*uint64(low), unit, slope, at<<8 | uint64(most)}
				width, lowest = most, low
			}
		}
		groups = append(groups, best)
		rests = append(rests, make([]uint64, (len(values)*width+63)/64)...)
		for i, v := range values {
			rest := uint64(int64(v-values[0])/int64(unit) - line(best.slope, i) - lowest)
			for b := range width {
				bit := i*width + b
				rests[int(at)+bit/64] |= rest >> b & 1 << (bit % 64)
			}
		}
	}
	return groups, rests
}

func TestColumnFind(t *testing.T) {
	var c column
	if _, ok := c.find(0); ok {
		t.Error("found in nothing")
	}
	for i := range 1000 {
		c.append(uint64(3 * i))
	}
	for v := range uint64(3000) {
		if row, ok := c.find(v); ok != (v%3 == 0) || ok && row != int(v/3) {
			t.Errorf("%d: row %d, %t", v, row, ok)
		}
	}
	if n := c.search(1 << 60); n != 1000 {
		t.Errorf("after all: row %d", n)
	}
}

func BenchmarkColumn(b *testing.B) {
	var c column
	for i := range uint64(1 << 20) {
		c.append(1536*i + i*i%7*512)
	}
	c.seal()
	b.Run("get", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.get(i & (1<<20 - 1))
		}
	})
	b.Run("append", func(b *testing.B) {
		var c column
		for i := 0; b.Loop(); i++ {
			c.append(1536*uint64(i) + uint64(i*i%7*512))
		}
	})
}
