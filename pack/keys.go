package pack

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Keys is a list of keys to choose samples by. It is immutable.
type Keys struct {
	name   string // where the list comes from, for errors
	list   []string
	number map[string]int // number in list
	folded map[string]int // the same by fold, for keys that samples lack only nearly
}

// NewKeys returns a list of keys, without repetitions. Name is where it comes from, for errors.
func NewKeys(name string, list []string) *Keys {
	k := &Keys{name: name, number: make(map[string]int, len(list)), folded: make(map[string]int)}
	for _, key := range list {
		if _, again := k.number[key]; again {
			continue
		}
		n := len(k.list)
		k.list, k.number[key] = append(k.list, key), n
		k.folded[fold(key)] = n
		if base, _, ok := index.SplitName(key); ok {
			k.folded[fold(base)] = n
		}
	}
	return k
}

// List returns the keys.
func (k *Keys) List() []string { return k.list }

// search is a search for Keys in a sequence of samples.
type search struct {
	*Keys
	found []bool         // by number of the key
	near  map[int]string // by number of a key, that of a sample that is nearly the same
	left  int            // keys that are not found yet
}

func (k *Keys) search() search {
	return search{k, make([]bool, len(k.list)), make(map[int]string), len(k.list)}
}

// wants reports whether a sample's key is in the list, and notes it.
func (s *search) wants(key string) bool {
	n, ok := s.number[key]
	if ok && !s.found[n] {
		s.found[n] = true
		s.left--
	}
	if ok || s.left == 0 {
		return ok
	}
	if n, ok := s.folded[fold(key)]; ok {
		s.near[n] = strings.Clone(key)
	}
	return false
}

// fold returns what keys have in common that differ only in what editors and other programs add, change or leave out.
func fold(key string) string {
	key = strings.TrimPrefix(key, byteOrderMark)
	key = strings.Trim(key, " \t\r\v\f\"'")
	if text, err := strconv.Unquote(`"` + key + `"`); err == nil && strings.Contains(key, `\`) {
		key = text
	}
	for strings.HasPrefix(key, "./") {
		key = key[2:]
	}
	return strings.ToLower(strings.Trim(key, "/"))
}

const byteOrderMark = "\ufeff"

// MissingKeysError means that no sample has some of the keys in a list.
type MissingKeysError struct {
	search
}

// shownKeys is how many missing keys are named.
const shownKeys = 3

func (e *MissingKeysError) Error() string {
	var names []string
	for n, key := range e.list {
		if !e.found[n] && len(names) < shownKeys {
			names = append(names, fmt.Sprintf("%.100q", key))
		}
	}
	if e.left > shownKeys {
		names = append(names, "...")
	}
	return fmt.Sprintf("%s: %d of %d keys are in no sample: %s", e.name, e.left, len(e.list), strings.Join(names, ", "))
}

// Hint returns what the first missing key that is nearly a sample's should have been, or "".
func (e *MissingKeysError) Hint() string {
	for n, key := range e.list {
		if near, ok := e.near[n]; ok && !e.found[n] {
			return fmt.Sprintf("a sample has the key %.100q: %s", near, difference(key, near))
		}
	}
	return ""
}

// difference says how a key differs from one that is near it.
func difference(key, near string) string {
	rest, longer := strings.CutPrefix(key, near)
	switch {
	case strings.HasPrefix(key, byteOrderMark):
		return "the list begins with a byte-order mark"
	case strings.HasSuffix(key, "\r"):
		return `its lines end in CR LF; tr -d '\r' mends that`
	case strings.Trim(key, " \t\v\f") == strings.Trim(near, " \t\v\f"):
		return "blanks count"
	case strings.TrimLeft(key, "./") == strings.TrimLeft(near, "./"):
		return "keys are as in the tar, with ./ and / if it has them"
	case longer && strings.HasPrefix(rest, "."):
		return "a key has no extension"
	case strings.HasSuffix(key, "/"):
		return "a key has no slash at its end"
	case strings.ContainsAny(key, `\"'`):
		return "keys are neither quoted nor escaped, as ls prints them into a pipe"
	}
	return "keys are compared byte by byte"
}
