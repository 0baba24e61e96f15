package pack

import (
	"iter"
	"math/rand/v2"
)

// shuffleSamples returns samples in a random order. It keeps n of them in memory, yields a random one, and replaces it
// with the next. The same samples, n and seed give the same order everywhere: random numbers come from PCG of package
// math/rand/v2 with the seed (seed, 0). Samples without members are not shuffled.
func shuffleSamples(samples iter.Seq2[Sample, error], n int, seed uint64) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		random := rand.New(rand.NewPCG(seed, 0))
		var buffer []Sample
		for s, err := range samples {
			if err != nil {
				yield(Sample{}, err)
				return
			}
			if !s.Empty() {
				if len(buffer) < n {
					buffer = append(buffer, s)
					continue
				}
				i := random.IntN(n)
				buffer[i], s = s, buffer[i]
			}
			if !yield(s, nil) {
				return
			}
		}
		random.Shuffle(len(buffer), func(i, j int) { buffer[i], buffer[j] = buffer[j], buffer[i] })
		for _, s := range buffer {
			if !yield(s, nil) {
				return
			}
		}
	}
}
