package lint

import (
	"hash/maphash"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// begin checks the key of a sample whose first member, with this extension, is at.
func (s *Shard) begin(ext string, at subject) {
	if len(s.exts) > 64 {
		// Clearing large maps takes as long as filling them.
		s.exts, s.exact, s.lasts = make(map[uint64]uint64), make(map[uint64]bool), make(map[uint64]bool)
	} else {
		clear(s.exts)
		clear(s.exact)
		clear(s.lasts)
	}
	switch before, known := s.c.keys.add(at.key, ext, s.number); {
	case (known == sameKey || known == sameMember) && before == s.number:
		s.reportCase(KeyReturns, returns(at.key, known), at)
	case known == sameMember:
		s.reportCase(KeyInTwoShards, "as before", at, s.c.shards[before])
	case known == sameKey:
		s.report(KeyInTwoShards, at, s.c.shards[before])
	case known == otherCase:
		s.report(CaseCollision, at)
	}
	if strings.Contains(at.key, "/") {
		s.slashed.add(at)
	}
	s.reportIf(strings.HasPrefix(at.key[strings.LastIndexByte(at.key, '/')+1:], "__"), HiddenSample, at)
	if len(at.key) > index.MaxKey {
		s.report(LongKey, at, len(at.key))
	}
}

// returns says how a key returns.
func returns(key string, known keyState) string {
	switch {
	case strings.HasSuffix(key, "/"):
		return "hidden"
	case strings.Contains(key, "/"):
		return "with a slash"
	case known == sameMember:
		return "as before"
	}
	return ""
}

// endSample ends the open sample.
func (s *Shard) endSample() {
	s.reportWaiting(false)
	if s.open {
		s.c.fields.add(s)
		s.open = false
	}
}

// outside is a member outside samples that is reported once it is known whether it is amid a sample.
type outside struct {
	code Code
	at   subject
}

// maxWaiting is how many members outside samples are kept.
const maxWaiting = 100

// wait reports a member outside samples later.
func (s *Shard) wait(code Code, at subject) {
	if s.waiting = append(s.waiting, outside{code, at}); !s.open || len(s.waiting) == maxWaiting {
		s.reportWaiting(false)
	}
}

// reportWaiting reports members outside samples, which are amid a sample or not.
func (s *Shard) reportWaiting(amid bool) {
	for _, o := range s.waiting {
		if amid {
			s.reportCase(o.code, "amid", o.at, " amid a sample")
		} else {
			s.report(o.code, o.at, "")
		}
	}
	s.waiting = s.waiting[:0]
}

// reportEmpty reports a shard in which some reader finds no sample.
func (s *Shard) reportEmpty() {
	at := subject{offset: -1}
	switch {
	case s.samples == 0 && s.regular:
		s.reportCase(Empty, "others", at, ", only other members")
	case s.samples == 0:
		s.report(Empty, at, "")
	case !s.visible:
		s.reportCase(Empty, "hidden", at, " but of hidden names")
	}
}

func (c *Checker) hash(text string) uint64 { return maphash.String(c.seed, text) }

// checkDuplicate reports an extension that the open sample already has. lower is the extension in lower case, as
// WebDataset uses it.
func (s *Shard) checkDuplicate(ext, lower string, at subject) {
	byLower, exact := s.c.hash(lower), s.c.hash(ext)
	if ext != "__key__" && ext != "__url__" { // datasets has these fields itself
		s.exact[exact] = true
	}
	switch before, again := s.exts[byLower]; {
	case !again:
		s.exts[byLower] = exact
	case before == exact:
		s.report(DuplicateExtension, at, "")
	default:
		s.reportCase(DuplicateExtension, "lower case", at, " in lower case")
	}
}

// keySet is a set of hashes of keys, at about 35 bytes each. A key that differs from an earlier one only by case needs
// another entry.
type keySet struct {
	seed   maphash.Seed
	folded map[uint64]place  // by the hash of the key in lower case
	others map[uint64]uint32 // last shard of a key by its hash, for keys whose entry in folded is another key's
}

// place is the last shard that has a key, and 20 bits each of the hashes of the key itself and of the extension of its first
// member. A map of more bytes would need a third more memory.
type place uint64

const placeBits = 20

func newPlace(shard int, exact, ext uint64) place {
	return place(uint64(shard)<<(2*placeBits) | exact>>(64-placeBits)<<placeBits | ext>>(64-placeBits))
}

func (p place) shard() int       { return int(p >> (2 * placeBits)) }
func (p place) key() uint64      { return uint64(p) >> placeBits & (1<<placeBits - 1) }
func (p place) firstExt() uint64 { return uint64(p) & (1<<placeBits - 1) }

// keyState is whether a key has occurred before.
type keyState uint8

const (
	newKey keyState = iota
	sameKey
	sameMember // and the extension of its first member
	otherCase  // an earlier key differs only by case
)

func newKeySet(seed maphash.Seed) keySet {
	return keySet{seed, make(map[uint64]place), make(map[uint64]uint32)}
}

// add adds a key of a shard. It returns whether the key has occurred before, and the last shard that had it.
func (k *keySet) add(key, ext string, shard int) (before int, known keyState) {
	exact := maphash.String(k.seed, key)
	byLower := exact
	if lower := fold(key); lower != key {
		byLower = maphash.String(k.seed, lower)
	}
	now := newPlace(shard, exact, maphash.String(k.seed, ext))
	p, ok := k.folded[byLower]
	if !ok || p.key() == now.key() {
		k.folded[byLower] = now
		switch {
		case ok && p.firstExt() == now.firstExt():
			known = sameMember
		case ok:
			known = sameKey
		}
		return p.shard(), known
	}
	other, ok := k.others[exact]
	k.others[exact] = uint32(shard)
	if ok {
		return int(other), sameKey
	}
	return 0, otherCase
}
