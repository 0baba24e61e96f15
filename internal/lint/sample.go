package lint

import (
	"hash/maphash"
	"strings"
)

// begin looks at the key of a sample whose first member this is.
func (s *Shard) begin(at subject) {
	if len(s.exts) > 64 {
		s.exts = make(map[uint64]uint64) // clearing a large map takes as long as filling it
	} else {
		clear(s.exts)
	}
	switch before, known := s.c.keys.add(at.key, s.number); {
	case known == sameKey && before == s.number:
		s.report(KeyReturns, at)
	case known == sameKey:
		s.report(KeyInTwoShards, at, s.c.shards[before])
	case known == otherCase:
		s.report(CaseCollision, at)
	}
	if strings.Contains(at.key, "/") {
		s.slashed.add(at)
	}
}

func (c *Checker) hash(text string) uint64 { return maphash.String(c.seed, text) }

// checkDuplicate looks whether the open sample has an extension already, lower being what WebDataset makes of it.
func (s *Shard) checkDuplicate(ext, lower string, at subject) {
	byLower, exact := s.c.hash(lower), s.c.hash(ext)
	switch before, again := s.exts[byLower]; {
	case !again:
		s.exts[byLower] = exact
	case before == exact:
		s.report(DuplicateExtension, at, "")
	default:
		s.report(DuplicateExtension, at, " in lower case")
	}
}

// keySet remembers keys by their hashes, in some 35 bytes each. A key that differs from one before it by case only takes
// room of its own.
type keySet struct {
	seed   maphash.Seed
	folded map[uint64]place  // by the hash of the key in lower case
	others map[uint64]uint32 // the shard that a key was last in, by its hash; of those whose place another one has
}

// place is the shard that a key was last in.
type place struct {
	shard uint32
	exact uint32 // half the hash of the key as it is
}

// How a key is known.
type acquaintance uint8

const (
	newKey acquaintance = iota
	sameKey
	otherCase // and the key itself is new
)

func newKeySet(seed maphash.Seed) keySet {
	return keySet{seed, make(map[uint64]place), make(map[uint64]uint32)}
}

// add remembers a key of a shard. It returns whether it is known, and from which shard.
func (k *keySet) add(key string, shard int) (before int, known acquaintance) {
	exact := maphash.String(k.seed, key)
	byLower := exact
	if lower := fold(key); lower != key {
		byLower = maphash.String(k.seed, lower)
	}
	now := place{uint32(shard), uint32(exact >> 32)}
	p, ok := k.folded[byLower]
	if !ok || p.exact == now.exact {
		k.folded[byLower] = now
		if ok {
			known = sameKey
		}
		return int(p.shard), known
	}
	other, ok := k.others[exact]
	k.others[exact] = now.shard
	if ok {
		return int(other), sameKey
	}
	return 0, otherCase
}
