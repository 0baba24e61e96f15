package view

import "sync/atomic"

// ahead tells the shard what will be read of it soon: the rest of a sample when the first of its files is read, and the next
// samples while they are read in order. It is what the kernel's own read-ahead cannot know: there are headers between files,
// and several readers at different places.
type ahead struct {
	sample atomic.Int64 // number of the sample last read, plus 1
	told   atomic.Int64 // where what was told ends, in order
}

// window is how many bytes behind a sample are told of when samples are read in order. Whoever stops has had so much read
// for nothing.
const window = 2 << 20

// reading is called with the row of a member that is read.
func (v *View) reading(row int) {
	x := v.Shard.Index
	n := x.SampleOfRow(row)
	last := int(v.ahead.sample.Swap(int64(n)+1)) - 1
	if last == n {
		return
	}
	s := x.Sample(n)
	start, end := x.Offset(s.Start), x.Offset(s.End)
	if n != last+1 {
		v.Shard.WillRead(start, end-start)
		return
	}
	if told := v.ahead.told.Load(); told > start && told-start <= 2*window {
		if told-end > window/2 {
			return
		}
		start = told
	}
	end = min(end+window, x.End())
	v.ahead.told.Store(end)
	v.Shard.WillRead(start, end-start)
}
