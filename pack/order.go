package pack

import "iter"

// sortByKey is the value of Order.Sort for keys.
const sortByKey = "key"

// Order is the order in which samples are packed. The zero value keeps the order of the sources.
type Order struct {
	// Sort is "key" to sort samples by key, byte by byte, or an extension to sort them by the content of their first
	// member with it. Samples without such a member come last, and equal ones keep their order. All samples, and their
	// texts of at most 4096 bytes, are in memory. Errors wrap ErrSort. "" means not sorted.
	Sort string

	// Shuffle is how many samples are kept in memory, from which each next one is drawn at random. It excludes Sort. 0
	// means not shuffled.
	Shuffle int
	// Seed is the seed for Shuffle: the same samples, Shuffle and Seed give the same order on every machine.
	Seed uint64
}

// Given reports whether the order may differ from that of the sources.
func (o Order) Given() bool { return o.Sort != "" || o.Shuffle != 0 }

// Apply yields samples in the order. It ends after an error.
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
