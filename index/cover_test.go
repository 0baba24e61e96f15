package index

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkCovers is the walk over the rows when an index file of a million members of many sizes is opened.
func BenchmarkCovers(b *testing.B) {
	var x Builder
	at := int64(0)
	for i := range 1 << 20 {
		size := int64(i * 7919 % 100_000)
		end := at + 512 + (size+511)/512*512
		e := &Entry{
			Name: fmt.Appendf(nil, "%07d.jpg", i), Header: at, Data: at + 512, Size: size, Stored: size, End: end,
			Regular: true,
		}
		if err := x.Add(e); err != nil {
			b.Fatal(err)
		}
		at = end
	}
	f := &File{Index: x.Finish(at)}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f, err := Decode(out.Bytes(), nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Index.Covers(nil, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(1<<20), "ns/row")
}
