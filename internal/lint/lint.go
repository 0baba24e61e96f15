// Package lint says what in a shard other readers of shards would stumble over.
//
// A [Linter] is shown the members of one shard after the other, in tar order, and reports findings as it comes to them. Of
// each sample it keeps a hash of its key, some 50 bytes, and nothing else. What it knows of readers is what they were seen to
// do: WebDataset 1.0, tarproc, tarp, DALI's wds2idx and Megatron-Energon.
package lint

import (
	"fmt"
	"hash/maphash"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
)

// Severity says what a finding costs.
type Severity uint8

const (
	Note    Severity = iota // nothing, but somebody may be surprised
	Warning                 // some readers show or name the sample in another way
	Error                   // some readers lose samples, or refuse the shard
)

func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// Finding is one thing to stumble over.
type Finding struct {
	Severity Severity
	Code     string // stable name of the kind
	Key      string // of the sample; "" where it is of none
	Member   string // name of the member; "" where it is of none
	Offset   int64  // of the member's header in the plain shard; -1 where it is of no member
	Text     string // who stumbles, and how
}

// Linter looks at shards. The zero value is not ready; see New. It is not safe for concurrent use.
type Linter struct {
	seed  maphash.Seed
	keys  map[uint64]int // hashes of the keys of all shards, and the shard that each was in first
	names []string       // of the shards
}

// New returns a Linter that has seen no shard.
func New() *Linter {
	return &Linter{seed: maphash.MakeSeed(), keys: make(map[uint64]int)}
}

// Shard is a shard that is being looked at.
type Shard struct {
	l      *Linter
	number int
	report func(Finding)

	samples  int
	members  int
	extended int             // members with an extended header
	folded   map[uint64]bool // hashes of the keys in lower case
	key      string          // of the open sample
	open     bool
	exts     map[string]string // extensions of the open sample in lower case, and the members that have them
	e        *index.Entry      // that is being looked at
	name     string            // of it
}

// Shard begins with a shard. Every finding goes to report.
func (l *Linter) Shard(name string, report func(Finding)) *Shard {
	l.names = append(l.names, name)
	return &Shard{l: l, number: len(l.names) - 1, report: report, folded: make(map[uint64]bool), exts: make(map[string]string)}
}

// Samples returns how many samples have been seen.
func (s *Shard) Samples() int { return s.samples }

// Member looks at the next member.
func (s *Shard) Member(e *index.Entry) {
	s.e, s.name = e, string(e.Name)
	s.members++
	if e.Data-e.Header > index.BlockSize && len(e.Name) > 0 {
		s.extended++
	}
	if len(e.Name) == 0 { // a global header
		return
	}
	if !e.Regular {
		if strings.HasSuffix(s.name, "/") {
			s.find(Note, "directory", "", "readers of shards pass over directories")
		} else {
			s.find(Warning, "not-regular", "", "readers of shards pass over links, devices and FIFOs")
		}
		return
	}
	key, ext, ok := index.MemberKey(s.name)
	if !ok {
		s.noSample()
		return
	}
	if !s.open || key != s.key {
		s.sample(key)
	}
	s.nameOf(key)
	s.extension(key, ext)
}

// sample begins a sample.
func (s *Shard) sample(key string) {
	s.key, s.open = key, true
	s.samples++
	clear(s.exts)
	hash := maphash.String(s.l.seed, key)
	first, seen := s.l.keys[hash]
	switch {
	case !seen:
		s.l.keys[hash] = s.number
	case first == s.number:
		s.find(Error, "returning-key", key, "the key comes back after other samples: WebDataset makes a second, partial sample of it, Ray and Energon refuse the shard")
	default:
		s.find(Error, "repeated-key", key, fmt.Sprintf("the key is also in %s: Energon refuses that, and samples are told apart by it", s.l.names[first]))
	}
	folded := maphash.String(s.l.seed, strings.ToLower(key))
	if !seen && s.folded[folded] {
		s.find(Warning, "case", key, "another key differs in case only: on file systems that do not tell them apart, one takes the place of the other")
	}
	s.folded[folded] = true
}

// noSample looks at a regular member that belongs to no sample.
func (s *Shard) noSample() {
	first, _, _ := strings.Cut(s.name, "/")
	switch base := path.Base(s.name); {
	case strings.HasPrefix(first, "__") && strings.HasSuffix(first, "__") && len(first) >= 4:
		s.find(Note, "meta", "", "readers of shards pass over names that begin like this")
	case strings.HasPrefix(base, "."):
		s.find(Warning, "hidden", "", "a hidden name belongs to no sample; tarp ends at it")
	default:
		s.find(Warning, "no-extension", "", "a name without an extension belongs to no sample; wds2idx takes all but its last letter for a key")
	}
}

// nameOf looks at the name of a member of a sample.
func (s *Shard) nameOf(key string) {
	switch dir := path.Dir(s.name); {
	case strings.HasPrefix(s.name, "/"):
		s.find(Warning, "path", key, "an absolute name is a part of the key")
	case strings.Contains("/"+dir+"/", "/../"), strings.HasPrefix(s.name, "./"), strings.Contains(s.name, "//"), strings.Contains("/"+dir+"/", "/./") && dir != ".":
		s.find(Warning, "path", key, "the name has parts that a path loses, and the key keeps: no two tools call the sample the same")
	case strings.Contains(key, "/"):
		s.find(Note, "directory-key", key, "the key has a directory: energon mount does not show deeper ones")
	}
	if strings.HasPrefix(path.Base(s.name), ".") {
		s.find(Warning, "hidden", key, "all hidden files of a directory become one sample")
	}
	switch {
	case !utf8.ValidString(s.name):
		s.find(Warning, "not-utf-8", key, "the name is not UTF-8: Python shows it in another way, DALI refuses it")
	case strings.ContainsFunc(s.name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		s.find(Warning, "control", key, "the name has control characters, which break lists of names")
	case strings.ContainsRune(s.name, ' '):
		s.find(Warning, "blank", key, "the name has blanks, which wds2idx cannot write down")
	case strings.ContainsFunc(s.name, func(r rune) bool { return r >= utf8.RuneSelf }):
		s.find(Warning, "not-ascii", key, "the name is not ASCII, which DALI expects")
	}
	if len(path.Base(s.name)) > 255 {
		s.find(Warning, "long", key, "no file can have a name so long: it cannot be extracted")
	}
}

// reserved are the extensions that mean something to WebDataset itself.
var reserved = map[string]string{
	"__key__": "WebDataset refuses the sample as having two keys, tarp takes its content for the key",
	"__url__": "WebDataset refuses the sample as having it twice",
	"__bad__": "WebDataset drops the sample",
}

// extension looks at a member's extension.
func (s *Shard) extension(key, ext string) {
	low := strings.ToLower(ext)
	if other, twice := s.exts[low]; twice {
		s.find(Error, "duplicate", key, fmt.Sprintf("the sample has %s already: WebDataset ends at it, tarproc and tarp keep the last one only", other))
	} else {
		s.exts[low] = s.name
		if ext != low && utf8.ValidString(ext) {
			s.find(Warning, "upper-case", key, "WebDataset and tarproc make the extension lower case")
		}
	}
	text, isReserved := reserved[ext]
	switch {
	case isReserved:
		s.find(Error, "reserved", key, text)
	case ext == "":
		s.find(Warning, "empty-extension", key, "the extension is empty: tarp drops the member, DALI cannot name it")
	case strings.HasPrefix(ext, "_"):
		s.find(Warning, "underscore", key, "tarproc and tarp do not write extensions that begin with an underscore")
	}
}

// End says that the shard has no more members.
func (s *Shard) End() {
	s.e = nil
	if s.samples == 0 {
		s.find(Warning, "empty", "", "there is no sample")
	}
	if s.extended > 0 && s.members > 0 {
		s.find(Note, "extended", "", fmt.Sprintf("%d of %d members have an extended header, which takes 1024 bytes or more; pack does without where it can", s.extended, s.members))
	}
}

// Find reports something about the shard as a whole.
func (s *Shard) Find(severity Severity, code, text string) {
	s.e = nil
	s.find(severity, code, "", text)
}

func (s *Shard) find(severity Severity, code, key, text string) {
	f := Finding{Severity: severity, Code: code, Key: key, Offset: -1, Text: text}
	if s.e != nil {
		f.Member, f.Offset = s.name, s.e.Header
	}
	s.report(f)
}
