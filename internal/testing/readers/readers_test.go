package readers

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/oddshards"
)

// Every reader has answered for every odd shard, as the generator makes it today.
func TestAnswers(t *testing.T) {
	answers, err := Answers()
	if err != nil {
		t.Fatal(err)
	}
	asked := make(map[string]int)
	for _, a := range answers {
		asked[a.Shard] += len(a.Readers)
		for _, ours := range []string{"NameError", "ImportError", "ModuleNotFoundError", "Hangs"} {
			if strings.HasPrefix(a.Err, ours) {
				t.Errorf("%s: an error of the adapter of %q: %s", a.Shard, a.Readers, a.Err)
			}
		}
	}
	for _, s := range oddshards.All() {
		if asked[s.Name] != len(All()) {
			t.Errorf("%s: %d answers of %d readers", s.Name, asked[s.Name], len(All()))
		}
		for _, a := range answers {
			if a.Shard == s.Name && a.Digest != s.Digest() {
				t.Errorf("%s: the answer of %q is for other bytes: run make readers", a.Shard, a.Readers)
			}
		}
	}
	var b bytes.Buffer
	if err := Encode(&b, answers); err != nil || !bytes.Equal(b.Bytes(), kept) {
		t.Errorf("the answers are not as Encode writes them: %v", err)
	}
}

// An ordinary shard is read by all readers in the same way, and each effect is seen in some shard.
func TestOutcomes(t *testing.T) {
	outcomes, err := Outcomes()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[Effect]string)
	for _, o := range outcomes {
		if o.Shard == "ordinary" && len(o.Effects) > 0 {
			t.Errorf("%s reads an ordinary shard otherwise: %s", o.Reader, String(o.Effects))
		}
		for _, e := range o.Effects {
			seen[e] = o.Shard
		}
		if testing.Verbose() && len(o.Effects) > 0 {
			t.Logf("%s: %s: %s %s", o.Shard, o.Reader, String(o.Effects), o.Err)
		}
	}
	for _, e := range []Effect{Fails, Silent, NoSamples, LosesSamples, LosesMembers, ExtraSamples, ExtraMembers,
		OtherKeys, OtherExtensions, Splits, Merges, WrongBytes} {
		if seen[e] == "" {
			t.Errorf("no reader has the effect %s", e)
		}
	}
}

func TestEffects(t *testing.T) {
	sample := func(key string, fields ...Member) Sample { return Sample{key, fields} }
	a, b := sample("a", Member{"cls", "1"}, Member{"jpg", "2"}), sample("b", Member{"cls", "3"}, Member{"jpg", "4"})
	ours := Reading{Samples: []Sample{a, b}}
	for _, tt := range []struct {
		name   string
		theirs Reading
		ours   Reading
		want   []Effect
	}{
		{"the same", ours, ours, nil},
		{"the same members", Reading{
			Members: []Member{{"a.cls", "1"}, {"a.jpg", "2"}, {"b.cls", "3"}, {"b.jpg", "4"}}}, ours, nil},
		{"an error", Reading{Samples: ours.Samples[:1], Err: "bad"}, ours, []Effect{Fails}},
		{"both an error", Reading{Err: "bad"}, Reading{Err: "worse"}, nil},
		{"damage not seen", ours, Reading{Samples: ours.Samples, Err: "cut"}, []Effect{Silent}},
		{"nothing", Reading{}, ours, []Effect{NoSamples}},
		{"one lost", Reading{Samples: []Sample{b}}, ours, []Effect{LosesSamples}},
		{"a member lost", Reading{Samples: []Sample{a, sample("b", b.Fields[0])}}, ours, []Effect{LosesMembers}},
		{"one more", Reading{Samples: []Sample{a, b, sample("c", Member{"x", "9"})}}, ours, []Effect{ExtraSamples}},
		{"one twice", Reading{Samples: []Sample{a, a, b}}, ours, []Effect{ExtraSamples}},
		{"a member more", Reading{Samples: []Sample{sample("a", a.Fields[0], a.Fields[1], Member{"x", "9"}), b}}, ours,
			[]Effect{ExtraMembers}},
		{"another key", Reading{Samples: []Sample{sample("A", a.Fields...), b}}, ours, []Effect{OtherKeys}},
		{"another extension", Reading{Samples: []Sample{sample("a", a.Fields[0], Member{"JPG", "2"}), b}}, ours,
			[]Effect{OtherExtensions}},
		{"two of one", Reading{Samples: []Sample{sample("a", a.Fields[0]), sample("a", a.Fields[1]), b}}, ours,
			[]Effect{LosesMembers, Splits}},
		{"one of two", Reading{Samples: []Sample{sample("a", slices.Concat(a.Fields, b.Fields)...)}}, ours,
			[]Effect{Merges, OtherKeys}},
		{"other bytes", Reading{Samples: []Sample{sample("a", a.Fields[0], Member{"jpg", "9"}), b}}, ours,
			[]Effect{WrongBytes}},
	} {
		if got := Effects(tt.theirs, tt.ours); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	outcomes := []Outcome{
		{"s", "r", []Effect{LosesSamples}, ""},
		{"s", "q", nil, ""},
		{"both", "r", []Effect{Fails}, "bad"},
		{"all", "r", []Effect{NoSamples}, ""},
	}
	found := map[string][]string{"s": {"odd"}, "both": {"odd", "worse"}, "all": {"odd"}}
	right := []Claim{{"odd", "r", LosesSamples}, {"worse", "r", Fails}}
	if wrong := Judge(right, found, outcomes); wrong != nil {
		t.Errorf("right claims: %v", wrong)
	}
	for _, tt := range []struct {
		claims []Claim
		want   []string
	}{
		{nil, []string{"s: missing: r loses-samples, seen: loses-samples", "both: missing: r fails, seen: fails",
			"all: missing: r no-samples, seen: no-samples"}},
		{append(right, Claim{"odd", "q", Fails}), []string{"s: false: odd: q fails, seen: same"}},
		{append(right, Claim{"odd", "r", Splits}), []string{"s: false: odd: r splits, seen: loses-samples",
			"all: false: odd: r splits, seen: no-samples"}},
	} {
		var got []string
		for _, w := range Judge(tt.claims, found, outcomes) {
			got = append(got, w.String())
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.claims, got, tt.want)
		}
	}
}
