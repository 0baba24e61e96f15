package lint

import "github.com/shardfs/shardfs/index"

// dotted detects names in which a dot was not meant to end the key: their extensions are nearly all different. It
// counts only as many as needed.
type dotted struct {
	seen  int // number of extensions with a dot
	kinds map[uint64]struct{}
	first subject
}

// How many extensions with a dot are counted, and how many of them must be different.
const (
	maxDotted = 1000
	manyKinds = 10
)

func (d *dotted) add(extension uint64, at subject) {
	if d.seen == maxDotted {
		return
	}
	if d.seen == 0 {
		d.kinds, d.first = make(map[uint64]struct{}), at
	}
	d.seen++
	d.kinds[extension] = struct{}{}
}

func (d *dotted) finish(s *Shard) {
	if n := len(d.kinds); n >= manyKinds && 2*n > d.seen {
		s.report(DottedNames, d.first, n, d.seen)
	}
}

// counted counts what is found often, to report it once a shard.
type counted struct {
	n     int
	first subject
}

func (c *counted) add(at subject) {
	if c.n == 0 {
		c.first = at
	}
	c.n++
}

// extended counts the bytes that extended headers take.
type extended struct {
	entries int
	bytes   int64
}

func (x *extended) add(e *index.Entry) {
	if n := e.Data - e.Header - index.BlockSize; n > 0 {
		x.entries++
		x.bytes += n
	}
}

// finish reports extended headers if they take a quarter or more of the shard up to its end marker.
func (x *extended) finish(s *Shard, end int64) {
	if 2*x.entries > s.entries && 4*x.bytes >= end {
		s.report(ExtendedHeaders, subject{offset: -1}, x.entries, s.entries, 100*x.bytes/end)
	}
}
