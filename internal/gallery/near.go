package gallery

// Limits of what is fetched at once for samples that are neighbours.
const (
	mostAnnounced = 32 << 20 // bytes
	mostGap       = 1 << 20  // bytes between two samples that are fetched with them
)

// announce tells the shards which bytes the next requests are likely to want: those of all these samples. A remote shard
// fetches neighbours by one request.
func (s *snapshot) announce(numbers []int) {
	var seg *segment
	var start, end, all int64
	flush := func() {
		if seg != nil && end > start && all+end-start <= mostAnnounced {
			all += end - start
			seg.part.willRead(start, end-start)
		}
		start, end = 0, 0
	}
	for _, n := range numbers {
		in, number, err := s.at(n)
		if err != nil {
			continue
		}
		x, ok := in.samples.unchanged(number)
		if !ok {
			continue
		}
		first, last := x.SampleRows(number)
		from, to := x.Offset(first), x.Offset(last)
		if in == seg && from >= start && from <= end+mostGap && to-start <= mostAnnounced {
			end = max(end, to)
			continue
		}
		flush()
		seg, start, end = in, from, to
	}
	flush()
}

// willRead announces reads of a part.
func (p *part) willRead(off, n int64) {
	p.mu.Lock()
	src := p.src
	p.mu.Unlock()
	if src != nil && src.Shard != nil {
		src.Shard.WillRead(off, n)
	}
}
