package readers

import (
	"slices"
	"strings"
)

// Effect is how a reader differs from shardfs on a shard. A reader that does not differ has no effect.
type Effect string

// The effects. All but Fails and Silent compare the samples of a reader that had no error.
const (
	Fails           Effect = "fails"            // it reports an error, maybe after some samples
	Silent          Effect = "silent"           // it reports no error, and shardfs does
	NoSamples       Effect = "no-samples"       // it finds none, and reports no error
	LosesSamples    Effect = "loses-samples"    // some samples are not there
	LosesMembers    Effect = "loses-members"    // a sample is there without some of its members
	ExtraSamples    Effect = "extra-samples"    // it has samples of what is in none
	ExtraMembers    Effect = "extra-members"    // it has members in samples that are not in them
	OtherKeys       Effect = "other-keys"       // it gives samples other keys
	OtherExtensions Effect = "other-extensions" // it gives members other extensions
	Splits          Effect = "splits"           // it makes several samples of one
	Merges          Effect = "merges"           // it makes one sample of several
	WrongBytes      Effect = "wrong-bytes"      // content is other bytes
)

// Effects returns how a reader's reading of a shard differs from ours, sorted; none if it does not.
func Effects(theirs, ours Reading) []Effect {
	if theirs.Err != "" {
		if ours.Err != "" {
			return nil
		}
		return []Effect{Fails}
	}
	if theirs.Members != nil {
		theirs.Samples = grouped(theirs.Members)
	}
	if ours.Err != "" {
		return []Effect{Silent} // what is after the damage cannot be compared
	}
	effects := make(map[Effect]bool)
	if len(theirs.Samples) == 0 && len(ours.Samples) > 0 {
		effects[NoSamples] = true
	} else {
		compare(theirs.Samples, ours.Samples, effects)
	}
	var list []Effect
	for e, there := range effects {
		if there {
			list = append(list, e)
		}
	}
	slices.Sort(list)
	return list
}

// compare adds the effects on samples. Samples that are not the same are the same sample if they share content.
func compare(theirs, ours []Sample, effects map[Effect]bool) {
	theirs, ours = without(theirs, ours), without(ours, theirs)
	used := make([]int, len(theirs)) // how many of ours each is made of
	for _, o := range ours {
		parts := 0
		for i, t := range theirs {
			if shares(t, o) {
				parts++
				used[i]++
				compareSample(t, o, effects)
			}
		}
		switch {
		case parts > 1:
			effects[Splits] = true
		case parts == 0:
			i := slices.IndexFunc(theirs, func(t Sample) bool { return t.Key == o.Key })
			if i >= 0 {
				used[i]++
				compareSample(theirs[i], o, effects)
			} else {
				effects[LosesSamples] = true
			}
		}
	}
	for _, n := range used {
		effects[Merges] = effects[Merges] || n > 1
		effects[ExtraSamples] = effects[ExtraSamples] || n == 0
	}
}

// without returns the samples that are not in others.
func without(samples, others []Sample) (rest []Sample) {
	others = slices.Clone(others)
	for _, s := range samples {
		i := slices.IndexFunc(others, func(o Sample) bool { return o.Key == s.Key && slices.Equal(o.Fields, s.Fields) })
		if i < 0 {
			rest = append(rest, s)
		} else {
			others = slices.Delete(others, i, i+1)
		}
	}
	return rest
}

// shares reports whether a member of the one sample has the content of one of the other.
func shares(a, b Sample) bool {
	return slices.ContainsFunc(a.Fields, func(m Member) bool { return hasDigest(b, m.Digest) })
}

func hasDigest(s Sample, digest string) bool {
	return slices.ContainsFunc(s.Fields, func(m Member) bool { return m.Digest == digest })
}

// compareSample adds the effects on a sample that is not the same.
func compareSample(t, o Sample, effects map[Effect]bool) {
	effects[OtherKeys] = effects[OtherKeys] || t.Key != o.Key
	for _, m := range o.Fields {
		switch {
		case slices.Contains(t.Fields, m):
		case hasDigest(t, m.Digest):
			effects[OtherExtensions] = true
		case hasName(t, m.Name) && !hasName(Sample{Fields: others(o.Fields, m)}, m.Name):
			effects[WrongBytes] = true
		default:
			effects[LosesMembers] = true
		}
	}
	for _, m := range t.Fields {
		if !hasDigest(o, m.Digest) && !hasName(o, m.Name) {
			effects[ExtraMembers] = true
		}
	}
}

func hasName(s Sample, name string) bool {
	return slices.ContainsFunc(s.Fields, func(m Member) bool { return m.Name == name })
}

// others returns the members other than m.
func others(members []Member, m Member) []Member {
	return slices.DeleteFunc(slices.Clone(members), func(o Member) bool { return o == m })
}

// String returns effects as a list.
func String(effects []Effect) string {
	if len(effects) == 0 {
		return "same"
	}
	var words []string
	for _, e := range effects {
		words = append(words, string(e))
	}
	return strings.Join(words, " ")
}
