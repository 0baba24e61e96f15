package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// orders are keys in different orders. For some the hash table of directories is made while the index is built.
func orders() map[string][]string {
	const n = 700
	keys := make(map[string][]string)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		for order, key := range map[string]string{
			"ascending":                fmt.Sprintf("%06d", i),
			"directories ascending":    fmt.Sprintf("class-%d/%06d", i/300, i),
			"ascending in directories": fmt.Sprintf("class-%d/%06d", i%7, i),
			"descending":               fmt.Sprintf("%06d", n-i),
			"repeated":                 fmt.Sprintf("%06d", i%(n/3)),
			"each twice":               fmt.Sprintf("%06d", i/4+i%2),
			"at random":                fmt.Sprintf("%06d", random.IntN(n)),
			"the last is the first":    fmt.Sprintf("%06d", i%(n-1)),
			"growing in length":        fmt.Sprint(i),
			"nested at random":         fmt.Sprintf("%d/%d/%d", random.IntN(5), random.IntN(9), random.IntN(n)),
			"a sample and then in it":  strings.TrimSuffix(fmt.Sprintf("%06d/%s", i/2, "x"[1-i%2:]), "/"),
			"in a sample, and then it": strings.TrimSuffix(fmt.Sprintf("%06d/%s", i/2, "x"[i%2:]), "/"),
			"escaped": []string{"./", "../", "a/sample~", "a//", "%41", "%", strings.Repeat("k", 300)}[i%7] +
				fmt.Sprint(random.IntN(n)),
		} {
			keys[order] = append(keys[order], key)
		}
	}
	keys["nothing"], keys["one"] = nil, []string{"a"}
	return keys
}

// tree is the view that the format asks for, made in the simplest way.
type tree struct {
	parents, samples, children, siblings []int
	names                                []string
	rows                                 map[string]int // by parent and name
}

func newTree(keys []string) *tree {
	t := &tree{rows: make(map[string]int)}
	t.dir(0, "")
	for number, key := range keys {
		parent, components := 0, strings.Split(key, "/")
		for depth, component := range components[:len(components)-1] {
			parent = t.dir(parent, escape(component, depth > 0))
		}
		name := escape(components[len(components)-1], len(components) > 1)
		row, n := t.dir(parent, name), 1
		for t.samples[row] != 0 {
			n++
			row = t.dir(parent, numbered(name, n))
		}
		t.samples[row] = number + 1
	}
	return t
}

// dir returns the row of a directory, which is added if it is missing.
func (t *tree) dir(parent int, name string) int {
	path := fmt.Sprintf("%d/%s", parent, name)
	if row, ok := t.rows[path]; ok {
		return row
	}
	row := len(t.names)
	t.rows[path] = row
	t.parents, t.names = append(t.parents, parent), append(t.names, name)
	t.samples, t.children, t.siblings = append(t.samples, 0), append(t.children, 0), append(t.siblings, 0)
	if row == 0 {
		return 0
	}
	if t.children[parent] == 0 {
		t.children[parent] = row
		return row
	}
	before := t.children[parent]
	for t.siblings[before] != 0 {
		before = t.siblings[before]
	}
	t.siblings[before] = row
	return row
}

// table returns the hash table with a seed.
func (t *tree) table(seed uint64) []int {
	places := make([]int, minTable)
	for 4*len(t.names) > 3*len(places) {
		places = make([]int, 2*len(places))
	}
	for row := 1; row < len(t.names); row++ {
		i := hash(seed, uint64(t.parents[row]), t.names[row])
		for places[i%uint64(len(places))] != 0 {
			i++
		}
		places[i%uint64(len(places))] = row
	}
	return places
}

// Whatever the order of the keys, an index has what the format asks for, and each directory is found.
func TestOrderOfKeys(t *testing.T) {
	for order, keys := range orders() {
		keys = slices.Compact(keys) // consecutive members are one sample
		var names []string
		for _, key := range keys {
			names = append(names, key+".x", key+".y")
		}
		x, want := indexOf(t, names...), newTree(keys)
		x.needTable()
		for row, parent := range want.parents[1:] {
			row, name := row+1, want.names[row+1]
			if d, ok := x.Child(Dir(parent), name); !ok || d != Dir(row) {
				t.Fatalf("%s: %q is found in row %d, %t, want %d", order, name, d, ok, row)
			}
			if _, ok := x.Child(Dir(parent), name+"?"); ok {
				t.Errorf("%s: %q is found", order, name+"?")
			}
		}
		// The table of a rebuilt index must be the same, because a damaged page of a file is replaced by one of it.
		if got := valuesOf(&x.c.table); !slices.Equal(got, unsigned(want.table(x.seed))) {
			t.Errorf("%s: the table is %d, want %d", order, got, want.table(x.seed))
		}
		x.Canonicalize()
		for _, column := range []struct {
			of   string
			got  *column
			want []int
		}{
			{"parents", &x.c.parent, want.parents}, {"samples", &x.c.sample, want.samples},
			{"children", &x.c.child, want.children}, {"siblings", &x.c.sibling, want.siblings},
			{"the table", &x.c.table, want.table(x.seed)},
		} {
			if got := valuesOf(column.got); !slices.Equal(got, unsigned(column.want)) {
				t.Errorf("%s: %s are %d, want %d", order, column.of, got, column.want)
			}
		}
		for row, name := range want.names {
			if got := x.Name(Dir(row)); got != name {
				t.Errorf("%s: the name in row %d is %q, want %q", order, row, got, name)
			}
		}
		checkPacked(t, order, x)

		plain := makeTar(t, names...)
		built := build(t, plain)
		grown, err := NewGrowing(BuildOptions{}).Build(bytes.NewReader(plain), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := valuesOf(&grown.c.table); !slices.Equal(got, unsigned(want.table(grown.seed))) {
			t.Errorf("%s, growing: the table is %d, want %d", order, got, want.table(grown.seed))
		}
		grown.Canonicalize()
		built.Canonicalize()
		if !bytes.Equal(encode(t, &File{Index: built}), encode(t, &File{Index: grown})) {
			t.Errorf("%s: an index that has grown has another file", order)
		}
	}
}

func unsigned(values []int) (u []uint64) {
	for _, v := range values {
		u = append(u, uint64(v))
	}
	return u
}

// checkPacked checks that the columns of an index are packed as the format asks for.
func checkPacked(t *testing.T, story string, x *Index) {
	t.Helper()
	for i, c := range x.c.numbers() {
		groups, rests := packedBits(valuesOf(c))
		if !slices.Equal(c.groups, groups) || !slices.Equal(c.rests, rests) {
			t.Errorf("%s: column %d has %+v and %x, want %+v and %x", story, i, c.groups, c.rests, groups, rests)
		}
	}
}
