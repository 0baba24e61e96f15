package pack

import "iter"

// sortByKey is the value of Order.Sort that means keys.
const sortByKey = "key"

// Order says in which order samples are packed. The zero value leaves them as they come.
type Order struct {
	// Sort sorts samples by their keys, byte by byte, if it is "key", and otherwise by the content of their first
	// member with this extension. Samples without such a member come last, and equal ones keep their order. All
	// samples, and texts of at most 4096 bytes, are in memory; an error wraps ErrSort. "": samples are not sorted.
	Sort string

	// Shuffle draws each sample at random from so many in memory. It excludes Sort. 0: samples are not shuffled.
	Shuffle int
	// Seed is that of Shuffle: the same samples, Shuffle and Seed give the same order on every machine.
	Seed uint64
}

// Given reports whether the order is another one than that of the shards.
func (o Order) Given() bool { return o.Sort != "" || o.Shuffle != 0 }

// Apply yields samples in the order. An error is the last that is yielded.
func (o Order) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	switch {
	case o.Shuffle > 0:
		return shuffleSamples(samples, o.Shuffle, o.Seed)
	case o.Sort == sortByKey:
		return sortSamples(samples, "")
	case o.Sort != "":
		return sortSamples(samples, o.Sort)
	}
	return samples
}
