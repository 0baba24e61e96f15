// Package lint finds problems that readers would have with a shard.
//
// A [Checker] checks the shards of a dataset one after another, each as a [Shard] whose entries are read in order. A
// [Finding] is something that makes a reader lose samples, refuse a shard or interpret it differently. Each kind of
// finding has a [Code] that never changes, and each code has [Claim]s: what happens to which version of which reader. Tests
// compare them with what the readers answered for odd shards. A Checker keeps only hashes of keys, so a dataset can have
// many samples.
package lint

import (
	"archive/tar"
	"fmt"
	"hash/maphash"
	"io"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Finding is a problem that some reader would have with a shard.
type Finding struct {
	Code    Code
	Variant string // the case of the code that it is, where readers differ between cases
	Key     string // key of the sample that it is about, or ""
	Member  string // member that it is about, for damage the last complete one, or ""
	Offset  int64  // plain offset of that member's headers, for damage of its end; -1 if not known
	Message string // one sentence, without key and member
}

// Checker checks the shards of one dataset. It and its Shards are not safe for concurrent use.
type Checker struct {
	found  func(Finding) error
	err    error // first error of found
	seed   maphash.Seed
	keys   keySet
	shards []string
	bases  map[string]int // shards by their base names
	fields fields

	decoding  bool                  // content is checked, too
	documents map[string]*documents // by extension
}

// New returns a Checker that calls found with each finding. After an error of found the Checker neither reads nor
// reports any more.
func New(found func(Finding) error) *Checker {
	seed := maphash.MakeSeed()
	return &Checker{found: found, seed: seed, keys: newKeySet(seed), bases: make(map[string]int),
		documents: make(map[string]*documents)}
}

// Shard is a shard that is being checked.
type Shard struct {
	c      *Checker
	number int // number among the shards of the Checker

	samples int
	members int // members of samples

	last    []byte // name of the last entry
	lastEnd int64  // plain offset of its end
	entries int

	open bool              // a sample has begun
	key  string            // key of the open sample
	exts map[uint64]uint64 // hashes of its extensions, by their hashes in lower case

	exact map[uint64]bool // all of these hashes
	lasts map[uint64]bool // hashes of what comes after their last dots
	again bool            // some sample has one of these twice
	bare  bool            // some extension ends with a dot

	dotted   dotted
	slashed  counted // samples whose keys have a slash
	subtypes counted // members whose extensions have a dot
	extended extended
	headers  headers

	scanner *index.Scanner
	format  string    // how the shard is compressed, or ""
	extra   bool      // its gzip header has an extra field
	empty   bool      // its first stream is empty
	regular bool      // there is a regular member
	visible bool      // there is a sample whose key is not that of hidden names
	waiting []outside // members outside samples since the last member of the open sample
}

// Open begins the next shard. The previous one must not be used any more.
func (c *Checker) Open(name string) *Shard {
	c.shards = append(c.shards, name)
	s := &Shard{c: c, number: len(c.shards) - 1, exts: make(map[uint64]uint64), exact: make(map[uint64]bool),
		lasts: make(map[uint64]bool)}
	s.checkShardName(name)
	return s
}

// Samples returns the number of samples so far.
func (s *Shard) Samples() int { return s.samples }

// Members returns the number of their members so far.
func (s *Shard) Members() int { return s.members }

// Read checks a whole plain tar. Its errors are those of [index.Scanner], of r and of the function passed to New.
func (s *Shard) Read(r io.Reader) error {
	scanner := index.NewScanner(r)
	scanner.KeepHeaders()
	if s.scanner = scanner; s.c.decoding {
		scanner.Contents(s.checkContent)
	}
	for s.c.err == nil {
		e, err := scanner.Next()
		if err == io.EOF {
			return s.finish()
		}
		if err != nil {
			return err
		}
		s.add(e, scanner.Headers())
	}
	return s.c.err
}

// finish checks the shard as a whole, and the bytes after its end marker.
func (s *Shard) finish() error {
	scanner := s.scanner
	s.endSample()
	s.reportEmpty()
	s.headers.finish(s, scanner.End(), scanner.Headers())
	s.dotted.finish(s)
	if s.slashed.n > 0 {
		s.report(SlashKeys, s.slashed.first, s.slashed.n, s.samples)
	}
	s.finishDotted()
	s.extended.finish(s, scanner.End())
	marker := scanner.End() + int64(len(scanner.Headers()))
	if err := s.readTail(scanner.Rest(), marker+2*index.BlockSize); err != nil {
		return err
	}
	return s.c.err
}

// add checks the next entry, of these headers.
func (s *Shard) add(e *index.Entry, headers []byte) {
	s.last, s.lastEnd = append(s.last[:0], e.Name...), e.End
	s.entries++
	s.extended.add(e)
	at := subject{member: string(e.Name), offset: e.Header}
	s.headers.add(s, e, headers, at)
	switch {
	case e.Type == tar.TypeXGlobalHeader: // not a member
	case e.Regular:
		s.addFile(e, at)
	default:
		s.addOther(e, headers, at)
		s.checkPath(at)
	}
}

// addOther checks an entry that is no regular file.
func (s *Shard) addOther(e *index.Entry, headers []byte, at subject) {
	variant := ""
	if len(headers) >= index.BlockSize {
		if size, _ := pyNumber(headers[lastHeader(headers)+124:][:12]); size > 0 {
			variant = "with a size"
		}
	}
	switch e.Type {
	case tar.TypeDir:
		s.reportCase(Directory, variant, at)
	case tar.TypeLink, tar.TypeSymlink:
		s.reportCase(Link, strings.TrimSpace(variant+s.place(at.member)), at)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		s.reportCase(Special, "device"+s.place(at.member), at)
	default:
		s.reportCase(Special, strings.TrimSpace(s.place(at.member)), at)
	}
}

// addFile checks a regular file.
func (s *Shard) addFile(e *index.Entry, at subject) {
	key, ext, ok := index.MemberKey(at.member)
	at.key = key
	s.regular = true
	if ok {
		s.reportWaiting(s.open && key == s.key)
	}
	s.checkBytes(at)
	s.checkPath(at)
	if !ok {
		s.checkOutside(at)
		return
	}
	s.members++
	if !s.open || key != s.key {
		s.endSample()
		s.open, s.key = true, key
		s.samples++
		s.begin(ext, at)
	}
	s.checkExtension(ext, e.Size, at)
}

// place says whether a name has a key, and that of the open sample.
func (s *Shard) place(name string) string {
	switch key, _, ok := index.MemberKey(name); {
	case ok && s.open && key == s.key:
		return " in a sample"
	case ok:
		return " with a key"
	}
	return ""
}

// subject is the sample and member that a finding is about.
type subject struct {
	key, member string
	offset      int64
}

// report reports a finding. fill are the arguments for the meaning of its code.
func (s *Shard) report(code Code, about subject, fill ...any) { s.reportCase(code, "", about, fill...) }

// reportCase is report for a case of a code.
func (s *Shard) reportCase(code Code, variant string, about subject, fill ...any) {
	if s.c.err != nil {
		return
	}
	f := Finding{
		Code: code, Variant: variant, Key: about.key, Member: about.member, Offset: about.offset,
		Message: fmt.Sprintf(rules[code].meaning, fill...),
	}
	if readers := summary(f.Claims()); readers != "" {
		f.Message += ": " + readers
	}
	s.c.err = s.c.found(f)
}
