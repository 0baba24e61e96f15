package lint

import (
	"maps"
	"path"
	"regexp"
	"strings"
)

// leading is how many samples of a dataset decide what fields it has for Hugging Face datasets.
const leading = 5

// fields compares the extensions of samples with those of the first one, for Hugging Face datasets. It keeps hashes only.
type fields struct {
	samples int
	first   map[uint64]bool // extensions of the first sample
	differ  bool            // reported
}

// add adds the open sample of a shard.
func (f *fields) add(s *Shard) {
	base := s.key[strings.LastIndexByte(s.key, '/')+1:]
	if f.differ || base == "" || strings.HasPrefix(base, "__") {
		return // datasets passes over it
	}
	f.samples++
	if f.first == nil {
		f.first = maps.Clone(s.exact)
		return
	}
	more := false
	for ext := range s.exact {
		more = more || !f.first[ext]
	}
	at := subject{key: s.key, offset: -1}
	switch {
	case f.samples <= leading && (more || len(s.exact) < len(f.first)):
		s.reportCase(FieldsDiffer, "early", at)
		f.differ = true
	case more:
		s.reportCase(FieldsDiffer, "late", at)
		f.differ = true
	}
}

// differs reports whether the open sample of a shard has other extensions than the first one.
func (f *fields) differs(s *Shard) bool { return f.first != nil && !maps.Equal(f.first, s.exact) }

// shardMarks are texts in names of shards that some reader does not take literally.
var shardMarks = []struct {
	name string
	text string // a regular expression
}{
	{"::", "::"},
	{"no dot", `^[^.]*$`},
	{":", "^[^:]+:[^:]"},
	{"#", "#"},
	{"?", `\?`},
	{"{,}", `\{[^{}]*(,|\.\.)[^{}]*\}`},
	{".yaml", `\.(yaml|yml)$`},
}

// checkShardName checks the name of a shard, and whether an earlier one has the same base name.
func (s *Shard) checkShardName(name string) {
	base := path.Base(name)
	at := subject{offset: -1}
	if before, ok := s.c.bases[base]; ok && s.c.shards[before] != name {
		s.report(ShardNameTwice, at, s.c.shards[before])
	}
	s.c.bases[base] = s.number
	for _, mark := range shardMarks {
		if base != "-" && regexp.MustCompile(mark.text).MatchString(base) {
			s.reportCase(ShardName, mark.name, at, mark.name)
			return
		}
	}
}
