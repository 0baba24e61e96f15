package index

import (
	"math"
	"math/rand/v2"
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
