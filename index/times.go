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
	near := clampTime(t)
	if !time.Unix(0, near).Equal(t) {
		c.far.row.append(uint64(c.mtime.n))
		c.far.seconds.append(uint64(t.Unix()))
		c.far.nanos.append(uint64(t.Nanosecond()))
	}
	c.mtime.append(uint64(near))
}

// clampTime returns the nanoseconds since 1970 nearest to a time.
func clampTime(t time.Time) int64 {
	const limit = math.MaxInt64/int64(time.Second) - 1
	return min(max(t.Unix(), -limit), limit)*int64(time.Second) + int64(t.Nanosecond())
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
