// Package lint finds problems that readers would have with a shard.
//
// A [Checker] checks the shards of a dataset one after another, each as a [Shard] whose entries are read in order. A
// [Finding] is something that makes WebDataset, tarproc, DALI or Energon lose samples, refuse a shard or interpret it
// differently. Each kind of finding has a [Code] that never changes. A Checker keeps only hashes of keys, so a dataset
// can have many samples.
package lint

import (
	"archive/tar"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/shardfs/shardfs/index"
)

// Finding is a problem that some reader would have with a shard.
type Finding struct {
	Code    Code
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
}

// New returns a Checker that calls found with each finding. After an error of found the Checker neither reads nor
// reports any more.
func New(found func(Finding) error) *Checker {
	seed := maphash.MakeSeed()
	return &Checker{found: found, seed: seed, keys: newKeySet(seed)}
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

	dotted   dotted
	slashed  slashed
	extended extended
}

// Open begins the next shard. The previous one must not be used any more.
func (c *Checker) Open(name string) *Shard {
	c.shards = append(c.shards, name)
	return &Shard{c: c, number: len(c.shards) - 1, exts: make(map[uint64]uint64)}
}

// Samples returns the number of samples so far.
func (s *Shard) Samples() int { return s.samples }

// Members returns the number of their members so far.
func (s *Shard) Members() int { return s.members }

// Read checks a whole plain tar. Its errors are those of [index.Scanner], of r and of the function passed to New.
func (s *Shard) Read(r io.Reader) error {
	scanner := index.NewScanner(r)
	for s.c.err == nil {
		e, err := scanner.Next()
		if err == io.EOF {
			return s.finish(scanner)
		}
		if err != nil {
			return err
		}
		s.add(e)
	}
	return s.c.err
}

// finish checks the shard as a whole, and the bytes after its end marker.
func (s *Shard) finish(scanner *index.Scanner) error {
	if s.samples == 0 {
		s.report(Empty, subject{offset: -1})
	}
	s.dotted.finish(s)
	s.slashed.finish(s)
	s.extended.finish(s, scanner.End())
	if err := s.readTail(scanner.Rest(), scanner.End()+2*index.BlockSize); err != nil {
		return err
	}
	return s.c.err
}

// add checks the next entry.
func (s *Shard) add(e *index.Entry) {
	s.last, s.lastEnd = append(s.last[:0], e.Name...), e.End
	s.entries++
	s.extended.add(e)
	at := subject{member: string(e.Name), offset: e.Header}
	switch {
	case e.Type == tar.TypeXGlobalHeader: // not a member
	case e.Regular:
		s.addFile(e, at)
	case e.Type == tar.TypeDir:
		s.report(Directory, at)
		s.checkPath(at)
	case e.Type == tar.TypeLink || e.Type == tar.TypeSymlink:
		s.report(Link, at)
		s.checkPath(at)
	default:
		s.report(Special, at)
		s.checkPath(at)
	}
}

// addFile checks a regular file.
func (s *Shard) addFile(e *index.Entry, at subject) {
	key, ext, ok := index.MemberKey(at.member)
	at.key = key
	s.checkBytes(at)
	s.checkPath(at)
	if !ok {
		s.checkOutside(at)
		return
	}
	s.members++
	if !s.open || key != s.key {
		s.open, s.key = true, key
		s.samples++
		s.begin(at)
	}
	s.checkExtension(ext, e.Size, at)
	s.reportIf(e.Sparse != nil, Sparse, at)
}

// subject is the sample and member that a finding is about.
type subject struct {
	key, member string
	offset      int64
}

// report reports a finding. fill are the arguments for its sentence.
func (s *Shard) report(code Code, about subject, fill ...any) {
	if s.c.err != nil {
		return
	}
	s.c.err = s.c.found(Finding{
		Code: code, Key: about.key, Member: about.member, Offset: about.offset,
		Message: fmt.Sprintf(rules[code].sentence, fill...),
	})
}
