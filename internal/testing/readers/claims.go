package readers

import (
	"fmt"
	"slices"

	"github.com/shardfs/shardfs/internal/testing/oddshards"
)

// Claim says what happens to a reader in a shard in which a code is found.
type Claim struct {
	Code   string
	Reader string
	Effect Effect
}

// Outcome is what happens to a reader in an odd shard.
type Outcome struct {
	Shard, Reader string
	Effects       []Effect // none if it reads what shardfs reads
	Err           string   // its error, if it has one
}

// Outcomes returns what happens to each reader in each odd shard, in the order of shards and then of All.
func Outcomes() ([]Outcome, error) {
	answers, err := Answers()
	if err != nil {
		return nil, err
	}
	var all []Outcome
	for _, s := range oddshards.All() {
		ours := Ours(s)
		for _, r := range All() {
			i := slices.IndexFunc(answers, func(a Answer) bool {
				return a.Shard == s.Name && slices.Contains(a.Readers, r.Name)
			})
			if i < 0 {
				return nil, fmt.Errorf("%s: no answer of %s", s.Name, r.Name)
			}
			all = append(all, Outcome{s.Name, r.Name, Effects(answers[i].Reading, ours), answers[i].Err})
		}
	}
	return all, nil
}

// Wrong is a claim that is false for an odd shard, or one that is missing.
type Wrong struct {
	Shard string
	Claim          // Code is "" if the claim is missing
	Seen  []Effect // what happens
}

func (w Wrong) String() string {
	kind := "false: " + w.Code
	if w.Code == "" {
		kind = "missing"
	}
	return fmt.Sprintf("%s: %s: %s %s, seen: %s", w.Shard, kind, w.Reader, w.Effect, String(w.Seen))
}

// covers reports whether an effect is among others. A reader that loses samples finds none where all are odd.
func covers(effects []Effect, e Effect) bool {
	return slices.Contains(effects, e) || e == LosesSamples && slices.Contains(effects, NoSamples) ||
		e == NoSamples && slices.Contains(effects, LosesSamples)
}

// Judge compares claims with outcomes. found has the codes that are found in each odd shard.
//
// A claim is false if its code is found in a shard and the reader does not have that effect there, unless the reader
// fails because of another code that is found. A claim is missing if a reader has an effect in a shard and no code found
// there claims it.
func Judge(claims []Claim, found map[string][]string, outcomes []Outcome) (wrong []Wrong) {
	for _, o := range outcomes {
		var claimed []Effect
		fails := make(map[string]bool) // codes for which the reader fails
		for _, c := range claims {
			if c.Reader == o.Reader && slices.Contains(found[o.Shard], c.Code) {
				claimed = append(claimed, c.Effect)
				fails[c.Code] = fails[c.Code] || c.Effect == Fails
			}
		}
		failed := slices.Contains(o.Effects, Fails)
		for _, c := range claims {
			if c.Reader != o.Reader || !slices.Contains(found[o.Shard], c.Code) || covers(o.Effects, c.Effect) {
				continue
			}
			if failed && len(fails) > 1 && !fails[c.Code] && slices.Contains(claimed, Fails) {
				continue // it does not get there
			}
			wrong = append(wrong, Wrong{o.Shard, c, o.Effects})
		}
		for _, e := range o.Effects {
			if !covers(claimed, e) {
				wrong = append(wrong, Wrong{o.Shard, Claim{Reader: o.Reader, Effect: e}, o.Effects})
			}
		}
	}
	return wrong
}
