package shard

import (
	"context"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// How far a scan goes on before the reader of a remote shard, which will need the bytes that the scan has passed while
// they are still in memory: plain bytes of all scans together, and at least of each.
const (
	scanAhead  = 16 << 20
	leastAhead = 1 << 20
)

const (
	readPause = time.Second           // after which a reader is taken to have stopped
	scanPause = 10 * time.Millisecond // between two looks at the reader
)

// pace tells the scan of a growing shard what the readers do. Its zero value is ready to use.
type pace struct {
	waiting atomic.Int64 // calls of Wait, for more of the index
	read    atomic.Int64 // where the last read ended
	when    atomic.Int64 // its time, in Unix nanoseconds; 0 if there was none
}

// reading records a read that ends at end.
func (p *pace) reading(end int64) {
	p.read.Store(end)
	p.when.Store(time.Now().UnixNano())
}

// follow records that the reader is at off, and reads on when it has waited for more of the index, or calls follow.
func (p *pace) follow(off int64) {
	p.read.Store(off)
	p.when.Store(math.MaxInt64)
}

// holds reports whether a scan that is at an offset, one of several, should wait: its reader is far behind, goes on, and
// nobody waits for more of the index.
func (p *pace) holds(at, scans int64) bool {
	return at-p.read.Load() > max(scanAhead/max(scans, 1), leastAhead) && p.waiting.Load() == 0 &&
		time.Since(time.Unix(0, p.when.Load())) < readPause
}

// pacedReader is the plain bytes for a scan.
type pacedReader struct {
	io.Reader
	s  *Shard
	at int64
}

// Read implements io.Reader.
func (r *pacedReader) Read(b []byte) (int, error) {
	for r.s.pace.holds(r.at, r.s.o.Shared.scans.Load()) {
		select {
		case <-r.s.ctx.Done():
			return 0, context.Cause(r.s.ctx)
		case <-time.After(scanPause):
		}
	}
	n, err := r.Reader.Read(b)
	r.at += int64(n)
	return n, err
}

// pacedSeeker is a pacedReader that can skip bytes.
type pacedSeeker struct {
	*pacedReader
	seeker io.Seeker
}

// Seek implements io.Seeker.
func (r pacedSeeker) Seek(off int64, whence int) (int64, error) {
	at, err := r.seeker.Seek(off, whence)
	if err == nil {
		r.at = at
	}
	return at, err
}

// paced returns the plain bytes for the scan of a growing shard. Those of a remote shard are read with regard to its
// readers, unless it fills a spool, where they find all that it has passed.
func (s *Shard) paced(r io.Reader) io.Reader {
	if !store.IsRemote(s.path) || s.spool != nil {
		return r
	}
	p := &pacedReader{Reader: r, s: s}
	if seeker, ok := r.(io.Seeker); ok {
		return pacedSeeker{p, seeker}
	}
	return p
}
