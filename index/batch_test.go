package index

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// However long names and maps of holes are, a batch takes little memory.
func TestBatchHoldsLittle(t *testing.T) {
	for _, tt := range []struct {
		story string
		entry Entry
		most  int
	}{
		{"short names", Entry{Name: []byte("000000.jpg")}, batchLen},
		{"names of a megabyte", Entry{Name: []byte(strings.Repeat("k", maxSpecial))}, 1},
		{"names of 10 KB", Entry{Name: []byte(strings.Repeat("k", 10_000))}, batchBytes/10_000 + 1},
		{"many holes", Entry{Name: []byte("a.x"), Sparse: make([]Extent, 1000)}, batchBytes/16_000 + 1},
	} {
		var b batch
		for range 2 {
			b.reset()
			n := 0
			for ; !b.full() && n <= batchLen; n++ {
				b.add(&tt.entry)
			}
			if n != tt.most || len(b.entries) != n {
				t.Errorf("%s: %d of %d entries, want %d", tt.story, n, len(b.entries), tt.most)
			}
		}
	}
}

// Whichever entries are in a batch together, the index is that of entries one by one.
func TestBatches(t *testing.T) {
	for _, n := range []int{0, 1, batchLen - 1, batchLen, batchLen + 1, 3 * batchLen} {
		var names []string
		for i := range n {
			name := fmt.Sprintf("%06d.x", i)
			if i%1500 == 0 {
				name = strings.Repeat(fmt.Sprint(i%7), batchBytes/3) + name
			}
			names = append(names, name)
		}
		plain := makeTar(t, names...)
		var files [][]byte
		for _, concurrent := range []bool{false, true} {
			x, err := Build(bytes.NewReader(plain), BuildOptions{Concurrent: concurrent})
			if err != nil {
				t.Fatal(err)
			}
			if x.Rows() != n {
				t.Errorf("%d rows, want %d", x.Rows(), n)
			}
			x.Canonicalize()
			files = append(files, encode(t, &File{Index: x}))
		}
		if !bytes.Equal(files[0], files[1]) {
			t.Errorf("%d entries: the index of batches is another", n)
		}
	}
}
