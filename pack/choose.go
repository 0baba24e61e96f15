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

// Choose yields the chosen ones of values that stand for samples. Key returns the key of a value's sample; ok is false for a
// value that stands for none, which keeps its place. Skipped is called with each value that is passed over. The first error,
// of the values or of skipped, is the last that is yielded. Once Count samples were taken, no more values are asked for.
func Choose[T any](c Choice, values iter.Seq2[T, error], key func(T) (key string, ok bool), skipped func(T) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen, taken := 0, 0
		for v, err := range values {
			if err != nil {
				yield(v, err)
				return
			}
			key, ok := key(v)
			if ok {
				if seen++; seen <= c.Skip || c.Keys != nil && !c.Keys[key] {
					if err := skipped(v); err != nil {
						yield(v, err)
						return
					}
					continue
				}
				taken++
			}
			if !yield(v, nil) || ok && taken == c.Count {
				return
			}
		}
	}
}

// Apply yields the chosen samples. What is no sample, such as the end of a shard, is kept; what is passed over is freed.
func (c Choice) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return Choose(c, samples, func(s Sample) (string, bool) { return s.Key, !s.Empty() }, func(s Sample) error {
		if s.Free == nil {
			return nil
		}
		return s.Free()
	})
}
