package codec

import "testing"

func TestCache(t *testing.T) {
	c := cache{limit: 1000}
	put := func(off, size int64) { c.put(off, c.blank(size)) }
	has := func(want ...int64) {
		t.Helper()
		total := int64(0)
		for _, off := range want {
			b := c.blocks[off]
			if b == nil {
				t.Fatalf("no piece at %d", off)
			}
			total += int64(cap(b.data))
		}
		if len(c.blocks) != len(want) || c.bytes != total {
			t.Fatalf("%d pieces of %d bytes, want %d of %d", len(c.blocks), c.bytes, len(want), total)
		}
	}
	if c.get(0) != nil {
		t.Fatal("something in an empty cache")
	}
	put(0, 400)
	put(400, 400)
	has(0, 400)
	c.get(0)
	put(800, 400) // in place of the one at 400
	has(0, 800)
	put(0, 200)
	put(0, 300) // again
	if len(c.get(0)) != 300 {
		t.Fatal("the piece at 0 is an old one")
	}
	put(2000, 5000) // more than there is room for
	has(2000)
	put(3000, 10)
	has(3000)
}
