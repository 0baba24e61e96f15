package index

import (
	"fmt"
	"testing"
)

// largeSample returns an index of one sample of n members and another one.
func largeSample(tb testing.TB, n int) *Index {
	var b Builder
	at := int64(0)
	add := func(name string) {
		e := &Entry{
			Name: []byte(name), Header: at, Data: at + 512, Size: 1, Stored: 1, End: at + 1024, Regular: true,
		}
		if err := b.Add(e); err != nil {
			tb.Fatal(err)
		}
		at = e.End
	}
	for i := range n {
		add(fmt.Sprintf("key.%06d", i))
	}
	add("other.x")
	return b.Finish(at)
}

// findAll looks up all files of the large sample by name.
func findAll(tb testing.TB, x *Index, n int) {
	for row := range n {
		if got, ok := x.FindFile(0, x.FileName(row)); !ok || got != row {
			tb.Fatalf("%s is found in row %d, %v", x.FileName(row), got, ok)
		}
	}
	if _, ok := x.FindFile(0, "sample.missing"); ok {
		tb.Fatal("a missing file was found")
	}
}

// The work for looking up all files of a sample is proportional to their number. It is counted in names that are made,
// each of which is an allocation.
func TestFindFileWork(t *testing.T) {
	each := func(n int) float64 {
		x := largeSample(t, n)
		return testing.AllocsPerRun(1, func() { findAll(t, x, n) }) / float64(n)
	}
	if few, many := each(1000), each(32_000); many > 2*few {
		t.Errorf("%.1f allocations for each of 32000 files, %.1f for each of 1000", many, few)
	}
}

func BenchmarkFindFile(b *testing.B) {
	const n = 32_000
	for b.Loop() {
		findAll(b, largeSample(b, n), n)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/file")
}
