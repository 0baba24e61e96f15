package index

import (
	"io"
	"slices"
	"unsafe"
)

// What the goroutine that reads headers sends at a time to the one that builds the index: with fewer entries the two wake
// each other more often, more take memory. An entry can have a name of a megabyte.
const (
	batchLen   = 2048
	batchBytes = 1 << 20
)

// batch has entries and the memory that they refer to.
type batch struct {
	entries []Entry
	names   []byte
	extents int
}

// full reports whether a batch has enough entries.
func (b *batch) full() bool {
	return len(b.entries) >= batchLen || len(b.names)+b.extents*int(unsafe.Sizeof(Extent{})) >= batchBytes
}

// reset removes the entries.
func (b *batch) reset() { b.entries, b.names, b.extents = b.entries[:0], b.names[:0], 0 }

// add copies an entry.
func (b *batch) add(e *Entry) {
	c := *e
	start := len(b.names)
	b.names = append(b.names, e.Name...)
	c.Name = b.names[start:] // earlier names keep their array if names grows
	c.Sparse = slices.Clone(e.Sparse)
	b.extents += len(e.Sparse)
	b.entries = append(b.entries, c)
}

// addBatches is addAll, but reads headers in a separate goroutine. For tiny members, which take the most work, that
// halves the time. The goroutine has ended when addBatches returns.
func addBatches(s *Scanner, add func(*Entry) error) (end int64, err error) {
	const batches = 3
	full, empty := make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		empty <- new(batch)
	}
	var scanErr error // set before full is closed
	go func() {
		defer close(full)
		for b := range empty {
			b.reset()
			for !b.full() && scanErr == nil {
				var e *Entry
				if e, scanErr = s.Next(); scanErr == nil {
					b.add(e)
				}
			}
			full <- b
			if scanErr != nil {
				return
			}
		}
	}()
	for b := range full {
		for i := range b.entries {
			if err != nil {
				break
			}
			e := &b.entries[i]
			if err = add(e); err == nil {
				end = e.End
			}
		}
		if err == nil {
			empty <- b
		} else if empty != nil {
			close(empty)
			empty = nil
		}
	}
	switch {
	case err != nil:
		return end, err
	case scanErr == io.EOF:
		return s.End(), nil
	}
	return end, scanErr
}
