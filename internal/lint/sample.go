package lint

import (
	"hash/maphash"
	"strings"
)

// begin checks the key of a sample whose first member is at.
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

// checkDuplicate reports an extension that the open sample already has. lower is the extension in lower case, as
// WebDataset uses it.
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

// keySet is a set of hashes of keys, at about 35 bytes each. A key that differs from an earlier one only by case needs
// another entry.
type keySet struct {
	seed   maphash.Seed
	folded map[uint64]place  // by the hash of the key in lower case
	others map[uint64]uint32 // last shard of a key by its hash, for keys whose entry in folded belongs to another key
}

// place is the last shard that has a key.
type place struct {
	shard uint32
	exact uint32 // half of the hash of the key itself
}

// keyState is whether a key has occurred before.
type keyState uint8

const (
	newKey keyState = iota
	sameKey
	otherCase // an earlier key differs only by case
)

func newKeySet(seed maphash.Seed) keySet {
	return keySet{seed, make(map[uint64]place), make(map[uint64]uint32)}
}

// add adds a key of a shard. It returns whether the key has occurred before, and the last shard that had it.
func (k *keySet) add(key string, shard int) (before int, known keyState) {
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
