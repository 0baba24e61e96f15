package lint

import (
	"slices"
	"strings"
)

// Reader is a program or library that reads shards, in one version and one way of use.
type Reader struct {
	Name    string // in JSON and claims
	Title   string
	Version string
	How     string // what of it was run, where that is not the whole
}

// Effect is what happens to a reader in a shard, in comparison with what shardfs finds in it.
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

// effects are the effects from the worst, with their words in a sentence about a shard.
var effects = []struct {
	Effect
	words string
}{
	{Fails, "fails"}, {Silent, "is read without an error"}, {NoSamples, "has no samples"},
	{LosesSamples, "loses samples"}, {LosesMembers, "loses members"}, {WrongBytes, "has wrong bytes"},
	{Splits, "has samples split"}, {Merges, "has samples merged"}, {ExtraSamples, "has more samples"},
	{ExtraMembers, "has more members"}, {OtherKeys, "has other keys"}, {OtherExtensions, "has other extensions"},
}

// Claim is what happens to a reader in a shard with a finding of a code and variant.
type Claim struct {
	Code    Code
	Variant string // "" if the code has none
	Reader  string // name of the reader
	Effect  Effect
}

// Claims returns all claims, in the order of codes, variants and readers.
func Claims() (all []Claim) {
	for _, set := range claims {
		all = append(all, set.list()...)
	}
	return all
}

// claimSet has the claims of one code and variant: names of readers, or of groups of them, by effect.
type claimSet struct {
	code    Code
	variant string
	effects map[Effect]string
}

// list returns the claims, in the order of effects and readers.
func (c claimSet) list() (all []Claim) {
	for _, e := range effects {
		named := strings.Fields(c.effects[e.Effect])
		for _, r := range readers {
			if slices.ContainsFunc(named, func(name string) bool {
				return name == r.Name || slices.Contains(groups[name], r.Name)
			}) {
				all = append(all, Claim{c.code, c.variant, r.Name, e.Effect})
			}
		}
	}
	return all
}

// Claims returns what happens to readers in a shard with this finding.
func (f Finding) Claims() []Claim {
	for _, set := range claims {
		if set.code == f.Code && set.variant == f.Variant {
			return set.list()
		}
	}
	return nil
}

// maxNamed is how many readers are named in a sentence for each effect.
const maxNamed = 3

// summary says briefly what happens to readers, as the end of a sentence about a finding; "" without claims.
func summary(list []Claim) string {
	var sentences []string
	for _, e := range effects {
		var named []string
		for _, r := range readers {
			if slices.ContainsFunc(list, func(c Claim) bool { return c.Effect == e.Effect && c.Reader == r.Name }) {
				if title := r.Title + " " + r.Version; !slices.ContainsFunc(named, r.covers) {
					named = append(named, title)
				}
			}
		}
		if len(named) == 0 {
			continue
		}
		if more := len(named) - maxNamed; more > 0 {
			named = append(named[:maxNamed], "others")
		}
		sentences = append(sentences, e.words+" in "+strings.Join(named, ", "))
	}
	return strings.Join(sentences, "; ")
}

// covers reports whether another reader that is already named says enough: another way of use of the same one.
func (r Reader) covers(title string) bool {
	program, _, _ := strings.Cut(r.Title, " with ")
	return strings.HasPrefix(title, program+" ")
}

// Readers returns the readers that claims are about, in the order of documentation.
func Readers() []Reader { return slices.Clone(readers) }
