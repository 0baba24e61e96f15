package view

import "sync/atomic"

// ahead announces reads to the shard: the rest of a sample when the first of its files is read, and the next samples
// while samples are read in order. The kernel's own read-ahead does not work here, because of the headers between files
// and because several readers are at different places.
type ahead struct {
	sample atomic.Int64 // number of the sample last read, plus 1
	near   atomic.Bool  // nearEnd was called
	until  atomic.Int64 // end of the announced bytes while samples are read in order
}

// window is how many bytes after a sample are announced when samples are read in order. At most that much is read in
// vain when the reader stops.
const window = 2 << 20

// reading must be called with the row of each member that is read.
func (v *View) reading(row int) {
	x := v.Shard.Index
	n := x.SampleOfRow(row)
	last := int(v.ahead.sample.Swap(int64(n)+1)) - 1
	if last == n {
		return
	}
	s := x.Sample(n)
	start, end := x.Offset(s.Start), x.Offset(s.End)
	if n == last+1 && v.nearEnd != nil && n >= x.Samples()-x.Samples()/10-1 && !v.ahead.near.Swap(true) {
		v.nearEnd()
	}
	if n != last+1 {
		v.Shard.WillRead(start, end-start)
		return
	}
	if until := v.ahead.until.Load(); until > start && until-start <= 2*window {
		if until-end > window/2 {
			return
		}
		start = until
	}
	end = min(end+window, x.End())
	v.ahead.until.Store(end)
	v.Shard.WillRead(start, end-start)
}
