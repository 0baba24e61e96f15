package pack

import "iter"

// Choice says which samples are taken: Skip, Keys and Count apply in this order. The zero value takes all.
type Choice struct {
	Skip  int             // pass over the first so many samples; 0: none
	Keys  map[string]bool // of those left, take only these keys, each as often as it comes; nil: all
	Count int             // of those left, take only so many; 0: all
}

// All reports whether every sample is taken.
func (c Choice) All() bool { return c.Skip == 0 && c.Keys == nil && c.Count == 0 }

// A Chooser applies a Choice to one sample after the other, which may come from several sequences. It is not safe for
// concurrent use.
type Chooser struct {
	Choice
	Seen  int // samples that Take was asked about
	Taken int // those of them that it took
}

// Take reports whether the next sample is taken; key is its key.
func (c *Chooser) Take(key string) bool {
	c.Seen++
	if c.Seen <= c.Skip || c.Keys != nil && !c.Keys[key] {
		return false
	}
	c.Taken++
	return true
}

// Done reports whether Take will take no more samples.
func (c *Chooser) Done() bool { return c.Count > 0 && c.Taken >= c.Count }

// Apply yields the chosen samples. What is no sample, such as the end of a shard, is kept; what is passed over is
// freed. The first error is the last that is yielded. Once Count samples were taken, no more are asked for.
func (c Choice) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		chooser := Chooser{Choice: c}
		for s, err := range samples {
			if err == nil && !s.Empty() && !chooser.Take(s.Key) {
				if s.Free == nil {
					continue
				}
				if err = s.Free(); err == nil {
					continue
				}
			}
			if !yield(s, err) || err != nil || !s.Empty() && chooser.Done() {
				return
			}
		}
	}
}
