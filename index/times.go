package index

import (
	"math"
	"time"
)

// farTimes are the times that nanoseconds in 64 bits cannot hold: those before 1678 and after 2262, in ascending order
// of rows.
type farTimes struct {
	row     column
	seconds column // since 1970
	nanos   column
}

func (f *farTimes) numbers() []*column { return []*column{&f.row, &f.seconds, &f.nanos} }

// addTime appends the time of the next row. For one that is far the column of nanoseconds has the nearest.
func (c *columns) addTime(t time.Time) {
	const limit = math.MaxInt64/int64(time.Second) - 1
	seconds, nanos := t.Unix(), int64(t.Nanosecond())
	near := min(max(seconds, -limit), limit)
	if near != seconds {
		c.far.row.append(uint64(c.mtime.n))
		c.far.seconds.append(uint64(seconds))
		c.far.nanos.append(uint64(nanos))
	}
	c.mtime.append(uint64(near*int64(time.Second) + nanos))
}

// ModTime returns the modification time of the entry in a row.
func (x *Index) ModTime(row int) time.Time {
	far := &x.c.far
	if i, ok := far.row.find(uint64(row)); ok {
		return time.Unix(int64(far.seconds.get(i)), int64(far.nanos.get(i)))
	}
	return time.Unix(0, int64(x.c.mtime.get(row)))
}

// cut removes the times from a row on.
func (f *farTimes) cut(row int) {
	n := f.row.search(uint64(row))
	for _, column := range f.numbers() {
		column.cut(n)
	}
}
