// Package oddshards makes small shards that are each odd in one way, to compare what readers find in them.
//
// Each is a kind of oddity: a name, a header, a sample, a container, content. None of them makes a reader crash or
// hang; some make it return an error. They are the same bytes on every machine, also the compressed ones, whose
// containers are written here and store their content.
//
// Only tests import this package.
package oddshards

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
)

// Shard is an odd shard, or several that are odd together.
type Shard struct {
	Name  string // of the kind; it is also the name of its directory
	Files []File
}

// File is one shard: its path below the directory of its kind, with slashes, and its bytes.
type File struct {
	Path string
	Data []byte
}

// All returns all odd shards.
func All() []Shard {
	return slices.Concat(names(), samples(), headers(), extended(), containers(), damage(), contents(), shardNames(),
		variants(), moreContainers())
}

// Digest identifies the bytes and paths of the shard.
func (s Shard) Digest() string {
	h := sha256.New()
	for _, f := range s.Files {
		sum := sha256.Sum256(f.Data)
		io.WriteString(h, f.Path+"\x00")
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// one returns the odd shard of one file with this name and suffix.
func one(name, suffix string, data []byte) Shard {
	return Shard{Name: name, Files: []File{{Path: name + suffix, Data: data}}}
}

// plain returns the odd shard that is one plain tar of these parts.
func plain(name string, parts ...[]byte) Shard { return one(name, ".tar", tar(parts...)) }
