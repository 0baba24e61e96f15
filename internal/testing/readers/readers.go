// Package readers has what the real readers of shards answered for the shards of oddshards.
//
// The answers in answers.jsonl were written by the program in the directory run, which runs the readers whose sources a
// developer names (CONTRIBUTING.md says how). Tests compare with them what shardfs claims about these readers, without
// having any of them: an [Answer] becomes a set of [Effect] in comparison with our own reading of the same shard.
//
// Only tests import this package.
package readers

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

//go:embed answers.jsonl
var kept []byte

// Reader is a program or library that reads shards, in one version and one way of use.
type Reader struct {
	Name    string // as in answers and claims
	Title   string // as in documentation
	Version string
	How     string // what of it was run, where that is not the whole
}

// Answer is what readers found in an odd shard.
type Answer struct {
	Shard   string   // name of the odd shard
	Digest  string   // of its bytes, see oddshards
	Readers []string // the readers that gave this answer
	Reading
}

// Reading is what a reader finds: samples, or members if the reader does not group them, and the error that ended it.
type Reading struct {
	Samples []Sample
	Members []Member // an empty one ends a shard
	Err     string   // the class of the error and its first words, or ""
}

// Sample is a sample as a reader shows it.
type Sample struct {
	Key    string
	Fields []Member // named by their extensions, in order of these names
}

// Member is a name and a digest of content, see [Digest].
type Member struct{ Name, Digest string }

// Answers returns the answers that are kept, in the order of oddshards.All.
func Answers() ([]Answer, error) { return Decode(bytes.NewReader(kept)) }

// wire is an answer as a line of JSON. Its strings have a character for each byte, which need not be UTF-8.
type wire struct {
	Shard   string       `json:"shard"`
	Digest  string       `json:"digest,omitempty"`
	Readers []string     `json:"readers,omitempty"`
	Samples []wireSample `json:"samples,omitempty"`
	Members [][2]string  `json:"members,omitempty"`
	Err     string       `json:"error,omitempty"`
}

// wireSample is a key, and the digests of content by extension; a field can be there twice.
type wireSample struct {
	Key    string
	Fields [][2]string
}

func (s wireSample) MarshalJSON() ([]byte, error) { return marshal([]any{s.Key, s.Fields}) }

func (s *wireSample) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&s.Key, &s.Fields})
}

// marshal is json.Marshal that leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Decode reads answers, one a line.
func Decode(r io.Reader) (all []Answer, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var w wire
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			return nil, fmt.Errorf("answer %d: %w", len(all)+1, err)
		}
		a := Answer{Shard: w.Shard, Digest: w.Digest, Readers: w.Readers}
		for _, s := range w.Samples {
			a.Samples = append(a.Samples, Sample{Key: fromLatin(s.Key), Fields: pairs(s.Fields, fromLatin)})
		}
		a.Members, a.Err = pairs(w.Members, fromLatin), w.Err
		for i := range a.Samples {
			slices.SortStableFunc(a.Samples[i].Fields, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
		}
		all = append(all, a)
	}
	return all, lines.Err()
}

// Encode writes answers as Decode reads them.
func Encode(w io.Writer, all []Answer) error {
	for _, a := range all {
		line := wire{Shard: a.Shard, Digest: a.Digest, Readers: a.Readers, Err: a.Err}
		for _, s := range a.Samples {
			var fields [][2]string
			for _, f := range s.Fields {
				fields = append(fields, [2]string{toLatin(f.Name), f.Digest})
			}
			line.Samples = append(line.Samples, wireSample{toLatin(s.Key), fields})
		}
		for _, m := range a.Members {
			line.Members = append(line.Members, [2]string{toLatin(m.Name), m.Digest})
		}
		b, err := marshal(line)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func pairs(list [][2]string, decode func(string) string) (all []Member) {
	for _, p := range list {
		all = append(all, Member{decode(p[0]), p[1]})
	}
	return all
}

// toLatin returns a string with a character for each byte of s.
func toLatin(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// fromLatin is the inverse of toLatin.
func fromLatin(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}
