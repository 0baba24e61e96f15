package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
)

// pageSize is the unit in which an index file is verified, in bytes.
const pageSize = 64 << 10

// pages is the part of an index file with the columns. Each page is compared with its checksum when it is first read,
// so opening an index reads almost nothing. If a page is damaged, the whole index is rebuilt from the shard and used
// instead of the file; readers notice only a delay, because the same shard always gives the same rows.
//
// A checksum does not prove who has written the file. Columns therefore treat every number in it as possibly forged:
// one that points outside the columns is read as 0, and the file is marked corrupt.
//
// All methods are safe for concurrent use. A nil *pages means an index in memory, which cannot be corrupt.
type pages struct {
	b        []byte
	sums     []byte // CRC-32C of each page
	verified []atomic.Uint64
	repaired func() columnSet // returns the columns of the rebuilt index; none if rebuilding has failed
	used     []atomic.Uint64  // a bit for each entry that agrees with its headers; see Index.Check
	buffers  sync.Pool        // for reading headers
	fault    atomic.Pointer[error]

	provisional bool  // there is no file: see Builder.Provisional
	size        int64 // of the shard then
}

// newPages returns the pages in b with their checksums. They call rebuild at most once, when a page is found to be
// damaged.
func newPages(b, sums []byte, rebuild func() (columnSet, error)) *pages {
	p := &pages{b: b, sums: sums}
	p.verified = make([]atomic.Uint64, len(sums)/4/64+1)
	p.repaired = sync.OnceValue(func() columnSet {
		set, err := rebuild()
		if err != nil {
			p.fail(fmt.Errorf("%w: damaged, and %w", ErrStale, err))
		}
		return set
	})
	p.buffers.New = func() any {
		b := make([]byte, maxChunk)
		return &b
	}
	return p
}

// verifyRange reports whether the checksums of n bytes at an offset are right.
func (p *pages) verifyRange(at, n int) bool {
	for page := at / pageSize; page*pageSize < at+n; page++ {
		if p.verified[page/64].Load()&(1<<(page%64)) == 0 && !p.verifyPage(page) {
			return false
		}
	}
	return true
}

// verifyPage compares a page with its checksum.
func (p *pages) verifyPage(page int) bool {
	b := p.b[page*pageSize : min((page+1)*pageSize, len(p.b))]
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(p.sums[4*page:]) {
		return false
	}
	p.verified[page/64].Or(1 << (page % 64))
	return true
}

// verifyAll verifies every page.
func (p *pages) verifyAll() bool { return p == nil || p.verifyRange(0, len(p.b)) }

// column returns a column of numbers of the rebuilt index, by its position in an index file.
func (p *pages) column(id int) *column {
	if set := p.repaired(); id < len(set.numbers) {
		return set.numbers[id]
	}
	return new(column)
}

// text is like column, for columns of bytes.
func (p *pages) text(id int) *text {
	if set := p.repaired(); id < len(set.texts) {
		return set.texts[id]
	}
	return new(text)
}

// corrupt records that a number points outside the columns. It returns 0, to be used instead.
func (p *pages) corrupt() uint64 {
	if p != nil {
		p.fail(fmt.Errorf("%w: its numbers contradict one another", ErrStale))
	}
	return 0
}

// fail records why the file cannot be trusted. The first reason stays.
func (p *pages) fail(err error) { p.fault.CompareAndSwap(nil, &err) }

// err returns why the file cannot be trusted; nil as long as nothing was found.
func (p *pages) err() error {
	if p == nil {
		return nil
	}
	if err := p.fault.Load(); err != nil {
		return *err
	}
	return nil
}
