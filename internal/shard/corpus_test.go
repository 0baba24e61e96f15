package shard

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
)

// corpus is a collection of odd and hostile tars, with what four readers make of each. It is no part of the repository.
const corpus = "../../../shared/corpus"

// The gzipped tars that most readers agree on are read through a shard; every file of the corpus can be opened, or not,
// without harm.
func TestCorpus(t *testing.T) {
	list, err := os.Open(filepath.Join(corpus, "expect.jsonl"))
	if err != nil {
		t.Skipf("SKIPPED: the corpus of odd tars is missing: %v", err)
	}
	defer list.Close()
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, 1<<20)
	bar, agree := 0, 0
	for lines.Scan() {
		var f struct {
			File    string
			Layers  [][]any
			Agree   int
			Regular int
			Digest  string
		}
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(corpus, "files", f.File)
		got := ""
		s, err := Open(name, Options{AllowTruncated: true})
		if err == nil {
			got = digest(s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if f.Agree < 3 || f.Regular == 0 || len(f.Layers) != 1 || detect(t, name) != codec.Gzip {
			continue
		}
		bar++
		if got == f.Digest {
			agree++
		} else {
			t.Errorf("%s: other members than most readers have; %v", f.File, err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("of %d gzipped tars that most readers agree on, %d are read the same", bar, agree)
}

// detect tells how a file is compressed.
func detect(t *testing.T, name string) codec.Format {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return codec.Detect(b)
}

// digest sums up the regular members of a shard as the corpus does.
func digest(s *Shard) string {
	all := sha256.New()
	scanner := index.NewScanner(io.NewSectionReader(s, 0, s.Plain))
	for {
		e, err := scanner.Next()
		if err != nil {
			return hex.EncodeToString(all.Sum(nil))
		}
		if !e.Regular {
			continue
		}
		content := sha256.New()
		if n, err := io.Copy(content, io.NewSectionReader(s, e.Data, e.Size)); err != nil || n < e.Size {
			return fmt.Sprint(n, err)
		}
		fmt.Fprintf(all, "%x %x\n", strings.TrimSuffix(string(e.Name), "/"), content.Sum(nil))
	}
}
