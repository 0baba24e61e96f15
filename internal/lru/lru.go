// Package lru keeps values by key within a budget.
//
// Each value has a cost in the unit of the budget: bytes, or 1 to count values. When the costs exceed the budget, the
// least recently used values are evicted. Get and Add count as use.
package lru

import "iter"

// Cache keeps the most recently used values by key. It is not safe for concurrent use: its owner's lock can guard it
// together with other fields.
type Cache[K comparable, V any] struct {
	budget  int64
	cost    func(V) int64
	evicted func(K, V)

	total   int64
	entries map[K]*entry[K, V]
	ring    entry[K, V] // sentinel: next is the most recently used entry, prev the least
}

type entry[K comparable, V any] struct {
	key        K
	value      V
	cost       int64
	prev, next *entry[K, V]
}

// New returns an empty cache for values whose costs add up to at most budget. cost is called once for each value, when
// it is added; nil means that each costs 1. evicted, if not nil, is called with each value that is dropped to make room
// or because its key gets another value. The value is no longer in the cache then; evicted must not call the cache.
func New[K comparable, V any](budget int64, cost func(V) int64, evicted func(K, V)) *Cache[K, V] {
	if cost == nil {
		cost = func(V) int64 { return 1 }
	}
	c := &Cache[K, V]{budget: budget, cost: cost, evicted: evicted, entries: make(map[K]*entry[K, V])}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// Get returns the value of a key and marks it as used.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	e := c.entries[key]
	if e == nil {
		return value, false
	}
	e.unlink()
	c.ring.link(e)
	return e.value, true
}

// Has reports whether there is a value for a key, without marking it as used.
func (c *Cache[K, V]) Has(key K) bool { return c.entries[key] != nil }

// Add adds a value, marks it as used and evicts others until all are within the budget. A value that alone costs more
// than the budget is kept alone. The earlier value of the key, if there is one, is evicted.
func (c *Cache[K, V]) Add(key K, value V) {
	if old := c.entries[key]; old != nil {
		c.evict(old)
	}
	cost := c.cost(value)
	c.MakeRoom(cost)
	e := &entry[K, V]{key: key, value: value, cost: cost}
	c.entries[key] = e
	c.total += cost
	c.ring.link(e)
}

// MakeRoom evicts values until the budget has room for a value of that cost, or none are left.
func (c *Cache[K, V]) MakeRoom(cost int64) {
	for c.total+cost > c.budget && len(c.entries) > 0 {
		c.evict(c.ring.prev)
	}
}

// Remove removes a value and returns it. It does not call evicted.
func (c *Cache[K, V]) Remove(key K) (value V, ok bool) {
	e := c.entries[key]
	if e == nil {
		return value, false
	}
	c.drop(e)
	return e.value, true
}

// RemoveFunc removes the values whose keys gone returns true for. It does not call evicted.
func (c *Cache[K, V]) RemoveFunc(gone func(K) bool) {
	for key, e := range c.entries {
		if gone(key) {
			c.drop(e)
		}
	}
}

// Clear removes all values. It does not call evicted.
func (c *Cache[K, V]) Clear() {
	clear(c.entries)
	c.total = 0
	c.ring.prev, c.ring.next = &c.ring, &c.ring
}

// Len returns the number of values.
func (c *Cache[K, V]) Len() int { return len(c.entries) }

// Cost returns the sum of the costs of all values. It exceeds the budget only while one value alone does.
func (c *Cache[K, V]) Cost() int64 { return c.total }

// Budget returns the budget.
func (c *Cache[K, V]) Budget() int64 { return c.budget }

// All yields the values, least recently used first, without marking them as used. The cache must not change meanwhile.
func (c *Cache[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for e := c.ring.prev; e != &c.ring; e = e.prev {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

func (c *Cache[K, V]) evict(e *entry[K, V]) {
	c.drop(e)
	if c.evicted != nil {
		c.evicted(e.key, e.value)
	}
}

func (c *Cache[K, V]) drop(e *entry[K, V]) {
	delete(c.entries, e.key)
	c.total -= e.cost
	e.unlink()
}

// link inserts an entry after e in the ring.
func (e *entry[K, V]) link(next *entry[K, V]) {
	next.prev, next.next = e, e.next
	e.next.prev = next
	e.next = next
}

// unlink removes e from the ring.
func (e *entry[K, V]) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}
