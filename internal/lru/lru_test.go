package lru

import (
	"slices"
	"testing"
)

// A value is a string, which costs its length.
type table struct {
	*Cache[int, string]
	t       *testing.T
	evicted []string
}

func newTable(t *testing.T, budget int64) *table {
	c := &table{t: t}
	c.Cache = New(budget, func(v string) int64 { return int64(len(v)) }, func(_ int, v string) {
		c.evicted = append(c.evicted, v)
	})
	return c
}

// check compares the keys, the least recently used first, and the values evicted since the last check.
func (c *table) check(keys []int, evicted ...string) {
	c.t.Helper()
	var got []int
	cost := int64(0)
	for key, value := range c.All() {
		got = append(got, key)
		cost += int64(len(value))
	}
	if !slices.Equal(got, keys) || c.Len() != len(keys) || c.Cost() != cost || !slices.Equal(c.evicted, evicted) {
		c.t.Fatalf("%d keys %v cost %d (%d), evicted %q; want %v, evicted %q",
			c.Len(), got, c.Cost(), cost, c.evicted, keys, evicted)
	}
	c.evicted = nil
}

func TestCache(t *testing.T) {
	c := newTable(t, 10)
	if _, ok := c.Get(1); ok || c.Budget() != 10 {
		t.Fatal("something in an empty cache, or another budget")
	}
	c.Add(1, "aaaa")
	c.Add(2, "bbbb")
	c.check([]int{1, 2})
	if v, ok := c.Get(1); !ok || v != "aaaa" {
		t.Fatalf("Get: %q, %v", v, ok)
	}
	c.check([]int{2, 1})
	c.Add(3, "ccc")
	c.check([]int{1, 3}, "bbbb")
	c.Add(1, "AA") // another value of a key
	c.check([]int{3, 1}, "aaaa")
	c.Add(4, "more than the budget")
	c.check([]int{4}, "ccc", "AA")
	c.Add(5, "e")
	c.check([]int{5}, "more than the budget")
	if !c.Has(5) || c.Has(4) {
		t.Fatal("Has")
	}
	c.Add(6, "ffff")
	c.MakeRoom(6)
	c.check([]int{6}, "e")
	c.MakeRoom(100)
	c.check(nil, "ffff")
}

func TestRemove(t *testing.T) {
	c := newTable(t, 10)
	c.Add(1, "a")
	c.Add(2, "b")
	c.Add(3, "c")
	if v, ok := c.Remove(2); !ok || v != "b" {
		t.Fatalf("Remove: %q, %v", v, ok)
	}
	if _, ok := c.Remove(2); ok {
		t.Fatal("removed twice")
	}
	c.check([]int{1, 3})
	for range c.All() {
		break
	}
	c.RemoveFunc(func(key int) bool { return key == 3 })
	c.check([]int{1})
	c.Clear()
	c.check(nil)
	c.Add(4, "d")
	c.check([]int{4})
}

// Without a cost, values are counted.
func TestCount(t *testing.T) {
	c := New[string, int](2, nil, nil)
	for i, key := range []string{"a", "b", "c"} {
		c.Add(key, i)
	}
	if _, ok := c.Get("a"); ok || c.Len() != 2 || c.Cost() != 2 {
		t.Fatalf("%d values of cost %d", c.Len(), c.Cost())
	}
}

func BenchmarkGet(b *testing.B) {
	c := New[int64, []byte](1000, nil, nil)
	for i := range int64(1000) {
		c.Add(i, nil)
	}
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		c.Get(i % 1000)
	}
}
