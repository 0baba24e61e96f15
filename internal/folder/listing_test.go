package folder

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Files are sorted by key and then by extension, also where names are longer than what is compared first.
func TestCompare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l := new(listing)
	var want []string
	for range 3000 {
		var name strings.Builder
		for range 1 + r.IntN(5) {
			name.WriteByte("a-0~\xff\x01"[r.IntN(6)])
		}
		for range r.IntN(8) {
			name.WriteByte("ab.-\x01"[r.IntN(5)])
		}
		name.WriteString(".x")
		from := len(l.names)
		l.names = append(l.names, name.String()...)
		l.files = append(l.files, entry{from, len(l.names), headOf(name.String())})
		want = append(want, name.String())
	}
	slices.SortFunc(l.files, l.compare)
	slices.SortFunc(want, func(a, b string) int {
		keyA, extA, _ := strings.Cut(a, ".")
		keyB, extB, _ := strings.Cut(b, ".")
		return cmp.Or(cmp.Compare(keyA, keyB), cmp.Compare(extA, extB))
	})
	for i := range want {
		if l.name(i) != want[i] {
			t.Fatalf("file %d is %q, want %q", i, l.name(i), want[i])
		}
	}
}

func BenchmarkSort(b *testing.B) {
	l := new(listing)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(100_000) {
		name := "000000.bin"
		digits := []byte(name)
		for at := 5; i > 0; at, i = at-1, i/10 {
			digits[at] = byte('0' + i%10)
		}
		from := len(l.names)
		l.names = append(l.names, digits...)
		l.files = append(l.files, entry{from, len(l.names), headOf(string(digits))})
	}
	for b.Loop() {
		slices.SortFunc(slices.Clone(l.files), l.compare)
	}
}
