package index

import (
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// groupLen is how many values of a column are packed together. In larger groups one outlier widens more values; with
// smaller groups the heads take more space.
const groupLen = 128

// group is the head of up to groupLen values. Value i is base + unit*(line(slope, i) + rest), modulo 2^64. The rests
// are numbers of width bits, packed one after the other, starting at word at. Offsets of members of similar sizes,
// ascending rows and times of whole seconds need short rests or none.
type group struct {
	base  uint64
	unit  uint64
	slope int64  // in 1/65536
	place uint64 // at<<8 | width
}

// line returns the height at i of a line with a slope.
func line(slope int64, i int) int64 { return slope * int64(i) >> 16 }

const groupSize = int(unsafe.Sizeof(group{}))

// column is a packed sequence of numbers. Values can be appended until it is sealed; it then has the form that index
// files contain.
type column struct {
	n      int
	groups []group
	rests  []uint64
	tail   []uint64 // values after those in groups
	raw    []uint32 // values that can still change, instead of groups and tail; after those that were set come zeros
	pages  *pages   // of the index file with groups and rests; nil in memory
	id     int      // number of the column in the file
	at     int      // offset of groups in the file, where rests follow
}

// get returns the value in a row. A row outside the column can only come from a corrupt index file; get then returns 0.
func (c *column) get(row int) uint64 {
	if c.raw != nil {
		if row < len(c.raw) {
			return uint64(c.raw[row])
		}
		return 0
	}
	g := uint(row) / groupLen
	if g >= uint(len(c.groups)) {
		if i := uint(row) - uint(len(c.groups))*groupLen; i < uint(len(c.tail)) {
			return c.tail[i]
		}
		return c.pages.corrupt()
	}
	if c.pages != nil && !c.pages.verifyRange(c.at+int(g)*groupSize, groupSize) {
		return c.pages.column(c.id).get(row)
	}
	h := &c.groups[g]
	width := h.place & 0xff
	v := h.base + h.unit*uint64(line(h.slope, int(uint(row)%groupLen)))
	if width == 0 {
		return v
	}
	bit := uint64(row) % groupLen * width
	word := h.place>>8 + bit/64
	last := h.place>>8 + (bit+width-1)/64
	if width > 64 || last >= uint64(len(c.rests)) {
		return c.pages.corrupt()
	}
	if c.pages != nil && !c.pages.verifyRange(c.at+len(c.groups)*groupSize+int(word)*8, int(last-word+1)*8) {
		return c.pages.column(c.id).get(row)
	}
	rest := c.rests[word] >> (bit % 64)
	if last > word {
		rest |= c.rests[last] << (64 - bit%64)
	}
	return v + h.unit*(rest&(1<<width-1))
}

// fill sets values to those of the rows from a multiple of groupLen on, at most groupLen. It is faster than get.
func (c *column) fill(row int, values []uint64) {
	g := row / groupLen
	if c.raw == nil && g < len(c.groups) && (c.pages == nil || c.pages.verifyRange(c.at+g*groupSize, groupSize)) {
		h := &c.groups[g]
		width, at := h.place&0xff, h.place>>8
		last := at + (groupLen*width+63)/64
		if width == 0 {
			for i := range values {
				values[i] = h.base + h.unit*uint64(line(h.slope, i))
			}
			return
		}
		if last < uint64(len(c.rests)) && width < 64 &&
			(c.pages == nil || c.pages.verifyRange(c.at+len(c.groups)*groupSize+int(at)*8, int(last-at)*8)) {
			mask, bit := uint64(1)<<width-1, uint64(0)
			rests := c.rests[at : last+1]
			for i := range values {
				word, shift := bit/64, bit%64
				rest := rests[word]>>shift | rests[word+1]<<(64-shift)
				values[i] = h.base + h.unit*(uint64(line(h.slope, i))+rest&mask)
				bit += width
			}
			return
		}
	}
	for i := range values {
		values[i] = c.get(row + i)
	}
}

// append adds a value.
func (c *column) append(v uint64) {
	c.n++
	c.tail = append(c.tail, v)
	if len(c.tail) == groupLen {
		c.pack(c.tail)
		c.tail = c.tail[:0]
	}
}

// set sets a value of a column whose values can still change.
func (c *column) set(row int, v uint32) {
	for len(c.raw) <= row {
		c.raw = append(c.raw, 0)
	}
	c.raw[row] = v
}

// pack appends a group of values.
func (c *column) pack(values []uint64) {
	unit := unitOf(values)
	if unit == 0 {
		c.groups = append(c.groups, group{base: values[0], place: uint64(len(c.rests)) << 8})
		return
	}
	var room [groupLen]int64
	steps := room[:len(values)]
	setSteps(steps, values, unit)
	low, width := span(steps, 0)
	slope := int64(0)
	if last := steps[len(steps)-1]; max(last, -last) < 1<<40 && last != math.MinInt64 {
		rise := last << 16 / int64(len(steps)-1)
		if l, w := span(steps, rise); w < width {
			low, width, slope = l, w, rise
		}
	}
	c.groups = append(c.groups, group{
		base: values[0] + unit*uint64(low), unit: unit, slope: slope, place: uint64(len(c.rests))<<8 | width,
	})
	if width == 0 {
		return
	}
	word, bit := uint64(0), uint64(0)
	for i, step := range steps {
		rest := uint64(step - line(slope, i) - low)
		word |= rest << bit
		if bit += width; bit >= 64 {
			c.rests = append(c.rests, word)
			bit -= 64
			word = rest >> (width - bit) // 0 if bit is 0
		}
	}
	if bit > 0 {
		c.rests = append(c.rests, word)
	}
}

// unitOf returns the greatest common divisor of the differences of all values to the first; 0 if all are equal.
func unitOf(values []uint64) (unit uint64) {
	first, i := values[0], 1
	for i < len(values) && values[i] == first {
		i++
	}
	for ; i < len(values) && unit != 1; i++ {
		d := int64(values[i] - first)
		d = max(d, -d)
		if unit&(unit-1) != 0 || uint64(d)&(unit-1) != 0 { // else a power of two divides it
			unit = gcd(uint64(d), unit)
		}
	}
	return unit
}

// setSteps sets the steps of a group: the difference of each value to the first, in units.
func setSteps(steps []int64, values []uint64, unit uint64) {
	first, shift := values[0], bits.TrailingZeros64(unit)
	if unit == 1<<shift && shift < 63 { // a division takes much longer
		for i, v := range values {
			steps[i] = int64(v-first) >> shift
		}
		return
	}
	for i, v := range values {
		steps[i] = int64(v-first) / int64(unit)
	}
}

// span returns the lowest rest that a group's steps leave with a slope, and how many bits those above it need.
func span(steps []int64, slope int64) (low int64, width uint64) {
	high := int64(0)
	for i, step := range steps {
		rest := step - line(slope, i)
		low, high = min(low, rest), max(high, rest)
	}
	return low, uint64(bits.Len64(uint64(high - low)))
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// settle packs the first n values of a column whose values could change until now.
func (c *column) settle(n int) {
	values := *c
	*c = column{groups: make([]group, 0, n/groupLen+1)}
	for row := range n {
		c.append(values.get(row))
	}
	c.seal()
}

// seal packs the remaining values. Afterwards nothing can be appended.
func (c *column) seal() {
	if len(c.tail) > 0 {
		c.pack(c.tail)
	}
	c.tail = nil
}

// cut removes all values from a row on.
func (c *column) cut(row int) {
	if row >= c.n {
		return
	}
	whole := row / groupLen
	var tail []uint64
	for i := whole * groupLen; i < row; i++ {
		tail = append(tail, c.get(i))
	}
	if whole < len(c.groups) {
		c.rests = slices.Clip(c.rests[:c.groups[whole].place>>8]) // another index may still have what follows
		c.groups = slices.Clip(c.groups[:whole])
	}
	c.tail, c.n = tail, row
}

// search returns the first row whose value is at least v in a column of ascending values.
func (c *column) search(v uint64) int {
	low, high := 0, c.n
	for low < high {
		if middle := int(uint(low+high) / 2); c.get(middle) < v {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// ascends reports whether no value is less than the value before it.
func (c *column) ascends() bool {
	last := uint64(0)
	for row := range c.n {
		v := c.get(row)
		if v < last {
			return false
		}
		last = v
	}
	return true
}

// find returns the row of a value in a column of ascending values.
func (c *column) find(v uint64) (row int, ok bool) {
	if c.n == 0 {
		return 0, false
	}
	row = c.search(v)
	return row, row < c.n && c.get(row) == v
}

// texts are strings, stored one after the other.
type texts struct {
	ends column
	all  text
}

// text is a sequence of bytes.
type text struct {
	b     []byte
	pages *pages // of the index file with b; nil in memory
	id    int
	at    int // offset in the file
}

func (t *texts) append(s string) {
	t.all.b = append(t.all.b, s...)
	t.ends.append(uint64(len(t.all.b)))
}

// get returns the string in a row. It shares memory with the index.
func (t *texts) get(row int) []byte {
	start := uint64(0)
	if row > 0 {
		start = t.ends.get(row - 1)
	}
	return t.all.slice(start, t.ends.get(row))
}

func (t *text) slice(start, end uint64) []byte {
	if start > end || end > uint64(len(t.b)) {
		t.pages.corrupt()
		return nil
	}
	if t.pages != nil && !t.pages.verifyRange(t.at+int(start), int(end-start)) {
		return t.pages.text(t.id).slice(start, end)
	}
	return t.b[start:end:end]
}

// cut removes the strings from a row on.
func (t *texts) cut(row int) {
	if row < t.ends.n {
		t.ends.cut(row)
		end := uint64(0)
		if row > 0 {
			end = t.ends.get(row - 1)
		}
		t.all.b = t.all.b[:end]
	}
}

// memory returns a slice of numbers as bytes, in the same memory.
func memory[T uint64 | group](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// numbers is the inverse of memory; b must start at a multiple of 8.
func numbers[T uint64 | group](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(*new(T))))
}
