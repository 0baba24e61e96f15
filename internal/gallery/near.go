package gallery

// Limits of what is fetched at once for samples that are neighbours.
const (
	mostAnnounced = 32 << 20 // bytes
	mostGap       = 1 << 20  // bytes between two samples that are fetched with them
	mostAlone     = 4 << 20  // bytes of a sample of which one member, or some, will be read
)

// announce tells the shards which bytes the next requests are likely to want: those of all these samples. A remote shard
// fetches neighbours by one request.
func (s *snapshot) announce(numbers []int) {
	var seg *segment
	var start, end, all int64
	flush := func() {
		if seg != nil && end > start && all+end-start <= mostAnnounced {
			all += end - start
			seg.part.willGlance(start, end-start)
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

// announceOne tells the shard of a sample that its members are likely to be read, unless it is large.
func (s *segment) announceOne(number int) {
	if x, ok := s.samples.unchanged(number); ok {
		first, last := x.SampleRows(number)
		if start, end := x.Offset(first), x.Offset(last); end-start <= mostAlone {
			s.part.willGlance(start, end-start)
		}
	}
}

// willGlance announces reads of a part.
func (p *part) willGlance(off, n int64) {
	p.mu.Lock()
	src := p.src
	p.mu.Unlock()
	if src != nil && src.Shard != nil {
		src.Shard.WillGlance(off, n)
	}
}
