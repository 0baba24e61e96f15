package pack

import (
	"errors"
	"fmt"
	"iter"
)

// ErrEmpty means that there is no sample to work on, or none to be written.
var ErrEmpty = errors.New("no sample is left")

// Choice selects samples: Skip, Keys and Count apply in this order. The zero value takes all samples.
type Choice struct {
	Skip  int   // number of samples to skip at the beginning
	Keys  *Keys // of the rest, take only samples with these keys; nil: all
	Count int   // of the rest, take only that many; 0: all
	None  bool  // take none

	IgnoreMissing bool // keys that no sample has are no error
	AllowEmpty    bool // to take no sample is no error
}

// All reports whether every sample is taken.
func (c Choice) All() bool { return c.Skip == 0 && c.Keys == nil && c.Count == 0 && !c.None }

// A Chooser applies a Choice to samples one by one; they may come from several sequences. It is not safe for concurrent
// use.
type Chooser struct {
	Choice
	Seen  int // number of calls of Take
	Taken int // number of samples taken

	name   string
	search search // for Keys
}

// NewChooser returns a Chooser that has seen no samples. Name is that of the sources, for errors.
func NewChooser(name string, c Choice) *Chooser {
	chooser := &Chooser{Choice: c, name: name}
	if c.Keys != nil {
		chooser.search = c.Keys.search()
	}
	return chooser
}

// Take reports whether to take the next sample, which has this key.
func (c *Chooser) Take(key string) bool {
	c.Seen++
	wanted := c.Keys == nil || c.search.wants(key)
	if !wanted || c.Seen <= c.Skip || c.full() {
		return false
	}
	c.Taken++
	return true
}

// full reports whether no further sample will be taken.
func (c *Chooser) full() bool { return c.None || c.Count > 0 && c.Taken >= c.Count }

// Done reports whether further samples make no difference: Take will return false for all, and all keys were found.
func (c *Chooser) Done() bool { return c.full() && c.search.left == 0 }

// Right reports whether Err would return nil whatever samples follow.
func (c *Chooser) Right() bool { return c.Taken > 0 && c.search.left == 0 }

// Missing returns an error that wraps *MissingKeysError if no sample so far has some of Keys, else nil.
func (c *Chooser) Missing() error {
	if c.search.left == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", c.name, &MissingKeysError{c.search})
}

// Err returns an error if the choice over all samples, which have been seen, was a mistake: that of Missing, or one that
// wraps ErrEmpty if no sample was taken and Choice has no leave for that. For a nil Chooser it returns nil.
func (c *Chooser) Err() error {
	if c == nil {
		return nil
	}
	if err := c.Missing(); err != nil && !c.IgnoreMissing {
		return err
	}
	if c.Taken > 0 || c.AllowEmpty {
		return nil
	}
	why := fmt.Sprintf("none of %d is chosen", c.Seen)
	switch {
	case c.Seen == 0 && !c.None:
		why = "there is none"
	case c.Skip > 0 && c.Skip >= c.Seen:
		why = fmt.Sprintf("there are %d, and %d are skipped", c.Seen, c.Skip)
	case c.None:
		why = "none is to be taken"
	}
	return fmt.Errorf("%s: %w: %s", c.name, ErrEmpty, why)
}

// Apply yields the chosen samples, and everything that is not a sample, such as the end of a shard. It frees the
// others. It ends after the first error, and when Done; its last error is that of Err.
func (c *Chooser) Apply(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		if c.apply(samples, yield) {
			if err := c.Err(); err != nil {
				yield(Sample{}, err)
			}
		}
	}
}

// ApplyPart is Apply for samples that others follow: it does not end with the error of Err.
func (c *Chooser) ApplyPart(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) { c.apply(samples, yield) }
}

// apply yields what Apply yields, up to the end of the samples or until Done. It returns false after an error, and if
// yield has returned false.
func (c *Chooser) apply(samples iter.Seq2[Sample, error], yield func(Sample, error) bool) bool {
	if c.Done() {
		return true
	}
	for s, err := range samples {
		if err == nil && !s.Empty() && !c.Take(s.Key) {
			if s.Free != nil {
				err = s.Free()
			}
			if err == nil && !c.Done() {
				continue
			}
			if err == nil {
				return true
			}
		}
		if !yield(s, err) || err != nil {
			return false
		}
		if !s.Empty() && c.Done() {
			return true
		}
	}
	return true
}
