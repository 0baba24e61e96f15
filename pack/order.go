package pack

import "iter"

// SortByKey is the value of Order.Sort that sorts by keys.
const SortByKey = "key"

// Order says in which order samples are packed. The zero value leaves them as they come.
type Order struct {
	Sort    string // SortByKey, or an extension, whose members' texts are compared; "": do not sort. See Sort
	Shuffle int    // how many samples each is drawn from; 0: do not shuffle. It excludes Sort. See Shuffle
	Seed    uint64 // of Shuffle
}

// Given reports whether the order is another one than that of the shards.
func (o Order) Given() bool { return o.Sort != "" || o.Shuffle != 0 }

// Apply yields samples in the order.
func (o Order) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	switch {
	case o.Shuffle > 0:
		return Shuffle(samples, o.Shuffle, o.Seed)
	case o.Sort == SortByKey:
		return Sort(samples, "")
	case o.Sort != "":
		return Sort(samples, o.Sort)
	}
	return samples
}
