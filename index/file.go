package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
)

// pageSize is the unit in which an index file is checked, in bytes.
const pageSize = 64 << 10

// file is an index file that columns lie in. A page of it is compared with its checksum when something in it is first
// looked at, so that an index is opened without being read. Where a page is found damaged, the whole index is made anew
// and takes its place, which nobody notices but for the time it takes: the same shard always gives the same rows.
//
// A checksum does not tell who made the file. Columns take every number in it for a possible lie: what would lead outside
// them reads as 0, and the file is marked false.
type file struct {
	b       []byte
	sums    []byte // CRC-32C of each page
	checked []atomic.Uint64
	anew    func() (made, error)
	repair  func() made     // calls anew once; nothing if that failed
	used    []atomic.Uint64 // a bit for each entry that was found to be what its headers say
	buffers sync.Pool       // for reading headers
	fault   atomic.Pointer[error]
}

func newFile(b, sums []byte, anew func() (made, error)) *file {
	f := &file{b: b, sums: sums, anew: anew}
	f.checked = make([]atomic.Uint64, len(sums)/4/64+1)
	f.repair = sync.OnceValue(f.makeAnew)
	f.buffers.New = func() any {
		b := make([]byte, maxChunk)
		return &b
	}
	return f
}

// sound reports whether n bytes from an offset on are as they were written.
func (f *file) sound(at, n int) bool {
	for page := at / pageSize; page*pageSize < at+n; page++ {
		if f.checked[page/64].Load()&(1<<(page%64)) == 0 && !f.check(page) {
			return false
		}
	}
	return true
}

// check compares a page with its checksum.
func (f *file) check(page int) bool {
	b := f.b[page*pageSize : min((page+1)*pageSize, len(f.b))]
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(f.sums[4*page:]) {
		return false
	}
	f.checked[page/64].Or(1 << (page % 64))
	return true
}

// allSound checks every page.
func (f *file) allSound() bool { return f == nil || f.sound(0, len(f.b)) }

func (f *file) makeAnew() made {
	m, err := f.anew()
	if err != nil {
		f.fail(fmt.Errorf("%w: damaged, and %w", ErrStale, err))
	}
	return m
}

// column returns the column of that number of the index made anew.
func (f *file) column(id int) *column {
	if m := f.repair(); id < len(m.numbers) {
		return m.numbers[id]
	}
	return new(column)
}

// text is column for columns of bytes.
func (f *file) text(id int) *text {
	if m := f.repair(); id < len(m.texts) {
		return m.texts[id]
	}
	return new(text)
}

// outside notes that a number has led outside the columns. It returns 0, which takes its place.
func (f *file) outside() uint64 {
	if f != nil {
		f.fail(fmt.Errorf("%w: its numbers contradict one another", ErrStale))
	}
	return 0
}

func (f *file) fail(err error) { f.fault.CompareAndSwap(nil, &err) }

// err says why the file is false, once that has been found.
func (f *file) err() error {
	if f == nil {
		return nil
	}
	if err := f.fault.Load(); err != nil {
		return *err
	}
	return nil
}
