package pack

import "iter"

// Choice selects samples: Skip, Keys and Count apply in this order. The zero value takes all samples.
type Choice struct {
	Skip  int             // number of samples to skip at the beginning
	Keys  map[string]bool // of the rest, take only samples with these keys; nil: all
	Count int             // of the rest, take only that many; 0: all
}

// All reports whether every sample is taken.
func (c Choice) All() bool { return c.Skip == 0 && c.Keys == nil && c.Count == 0 }

// A Chooser applies a Choice to samples one by one; they may come from several sequences. It is not safe for concurrent
// use.
type Chooser struct {
	Choice
	Seen  int // number of calls of Take
	Taken int // number of samples taken
}

// Take reports whether to take the next sample, which has this key.
func (c *Chooser) Take(key string) bool {
	c.Seen++
	if c.Seen <= c.Skip || c.Keys != nil && !c.Keys[key] {
		return false
	}
	c.Taken++
	return true
}

// Done reports whether Take will return false for all further samples.
func (c *Chooser) Done() bool { return c.Count > 0 && c.Taken >= c.Count }

// Apply yields the chosen samples, and everything that is not a sample, such as the end of a shard. It frees the
// others. It ends after the first error, and once Count samples were taken.
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
