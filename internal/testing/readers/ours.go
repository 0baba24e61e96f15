package readers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/testing/oddshards"
)

// Digest identifies the content of a member.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:4])
}

// Ours returns what shardfs finds in an odd shard. In a damaged one that is the members before the damage.
func Ours(s oddshards.Shard) Reading {
	var all Reading
	for _, f := range s.Files {
		members, err := read(f.Data)
		all.Samples = append(all.Samples, grouped(members)...)
		all.Members = append(append(all.Members, members...), Member{})
		if err != nil && all.Err == "" {
			all.Err = err.Error()
		}
	}
	return all
}

// grouped returns the samples that members make by the rule that WebDataset and shardfs have. A sample ends with its
// shard.
func grouped(members []Member) (samples []Sample) {
	open := false
	for _, m := range members {
		if m == (Member{}) {
			open = false
			continue
		}
		key, ext, ok := index.MemberKey(m.Name)
		if !ok {
			continue
		}
		if !open || samples[len(samples)-1].Key != key {
			samples = append(samples, Sample{Key: key})
			open = true
		}
		last := &samples[len(samples)-1]
		last.Fields = append(last.Fields, Member{ext, m.Digest})
	}
	for _, s := range samples {
		slices.SortStableFunc(s.Fields, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	}
	return samples
}

// read returns the regular members of a shard, and the error that ends them.
func read(data []byte) (members []Member, err error) {
	format, err := codec.DetectAt(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	plain := data
	var damage error
	if format != codec.Plain {
		z, err := codec.NewReader(format, bytes.NewReader(data), codec.Options{})
		if err != nil {
			return nil, err
		}
		defer z.Close()
		plain, damage = io.ReadAll(z)
	}
	scanner := index.NewScanner(bytes.NewReader(plain))
	for {
		e, err := scanner.Next()
		if err == io.EOF {
			return members, damage
		}
		if err != nil {
			return members, err
		}
		if e.Regular {
			members = append(members, Member{string(e.Name), Digest(contentOf(e, plain))})
		}
	}
}

// contentOf returns the content of an entry, with its holes.
func contentOf(e *index.Entry, plain []byte) []byte {
	stored := plain[e.Data : e.Data+e.Stored]
	if e.Sparse == nil {
		return stored
	}
	content := make([]byte, e.Size)
	for _, x := range e.Sparse {
		n := copy(content[x.Off:x.Off+x.Len], stored)
		stored = stored[n:]
	}
	return content
}
