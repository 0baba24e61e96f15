package index

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// table makes the hash table of directories by parent and name: an open one, in which a directory has the first free
// place from its hash on. Directories are added in the order of their rows, so that the seed determines the table.
type table struct {
	c    *column  // the table of the index, in raw
	tags []uint32 // the hash of each row; it saves most comparisons of names
}

// minTable is the length of the smallest table. One of which more than three quarters are used is doubled.
const minTable = 16

// newTable returns the table of all directories of an index, which has none, or no longer a valid one.
func newTable(x *Index) *table {
	n := minTable
	for 4*x.Dirs() > 3*n {
		n *= 2
	}
	x.c.table = column{n: n, raw: make([]uint32, n)}
	t := &table{c: &x.c.table, tags: make([]uint32, 1, x.Dirs())}
	for row := 1; row < x.Dirs(); row++ {
		t.add(hash(x.seed, x.c.parent.get(row), x.c.names.get(row)))
	}
	return t
}

// add adds the next directory with its hash.
func (t *table) add(hash uint64) {
	row := len(t.tags)
	t.tags = append(t.tags, uint32(hash))
	if 4*len(t.tags) > 3*t.c.n {
		*t.c = column{n: 2 * t.c.n, raw: make([]uint32, 2*t.c.n)}
		for before := 1; before < row; before++ {
			t.insert(before)
		}
	}
	t.insert(row)
}

// insert puts a row into the first free place.
func (t *table) insert(row int) {
	mask := uint32(t.c.n - 1)
	i := t.tags[row] & mask
	for t.c.raw[i] != 0 {
		i = (i + 1) & mask
	}
	t.c.raw[i] = uint32(row)
}

// find is [lookup] while the index is being built.
func (t *table) find(x *Index, parent int, name string) (row int, ok bool) {
	tag := uint32(hash(x.seed, uint64(parent), name))
	mask := uint32(t.c.n - 1)
	for i := tag & mask; t.c.raw[i] != 0; i = (i + 1) & mask {
		row := int(t.c.raw[i])
		if t.tags[row] == tag && x.c.parent.get(row) == uint64(parent) && string(x.c.names.get(row)) == name {
			return row, true
		}
	}
	return 0, false
}

// needTable makes the hash table of an index that was built without one.
func (x *Index) needTable() {
	x.tabled.Do(func() {
		if x.c.table.n == 0 {
			x.reseed(x.seed)
		}
	})
}

// Canonicalize reseeds the hash table from all names, so that equal shards give equal bytes of [File.Write], and an
// attacker cannot choose names that collide. The index must not be in use by another goroutine.
func (x *Index) Canonicalize() {
	sum := sha256.Sum256(x.c.names.all.b)
	x.reseed(binary.LittleEndian.Uint64(sum[:]))
}

// reseed makes the hash table with another seed.
func (x *Index) reseed(seed uint64) {
	x.seed = seed
	newTable(x)
	x.c.table.settle(x.c.table.n)
}

// lookup returns the row of a directory by its parent's row and its name.
func lookup[S []byte | string](x *Index, parent uint64, name S) (row int, ok bool) {
	x.needTable()
	c := &x.c
	mask := uint64(c.table.n - 1)
	i := hash(x.seed, parent, name)
	for range c.table.n {
		i &= mask
		row := int(c.table.get(int(i)))
		if row == 0 {
			return 0, false
		}
		if c.parent.get(row) == parent && string(c.names.get(row)) == string(name) {
			return row, true
		}
		i++
	}
	return 0, false
}

// hash returns the place in the table where the search for a directory begins, before reduction to the length of the
// table. Without the seed, an attacker could choose names that collide.
func hash[S []byte | string](seed, parent uint64, name S) uint64 {
	const a, b = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	h := mix(seed^a, parent^b)
	var word [8]byte
	for len(name) > 0 {
		n := copy(word[:], name)
		clear(word[n:])
		h = mix(h^binary.LittleEndian.Uint64(word[:]), seed^b+uint64(n))
		name = name[n:]
	}
	return mix(h, a)
}

// mix multiplies two numbers and folds the product.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
