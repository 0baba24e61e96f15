// Run asks the readers whose sources a developer names what they find in the odd shards, and compares that with the
// answers that are kept, or replaces them.
//
//	go run ./internal/testing/readers/run -sources DIR [-update] [READER...]
//
// CONTRIBUTING.md says how DIR is laid out. Readers whose sources are not in it are left out, and named.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/shardfs/shardfs/internal/testing/oddshards"
	"github.com/shardfs/shardfs/internal/testing/readers"
)

const answersFile = "internal/testing/readers/answers.jsonl"

func main() {
	sources := flag.String("sources", "", "directory with the sources of the readers")
	update := flag.Bool("update", false, "replace the answers that are kept")
	flag.Parse()
	if err := run(*sources, *update, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(sources string, update bool, only []string) error {
	if sources == "" {
		return fmt.Errorf("usage: run -sources DIR [-update] [READER...]")
	}
	sources, err := filepath.Abs(sources)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "readers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	kept, err := readers.Answers()
	if err != nil {
		return err
	}
	answers := expand(kept)
	asked, differ := 0, 0
	for _, r := range readers.All() {
		if len(only) > 0 && !slices.Contains(only, r.Name) {
			continue
		}
		found, err := ask(r.Name, sources, filepath.Join(work, r.Name))
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: left out: %v\n", r.Name, err)
			continue
		}
		n := 0
		for _, s := range oddshards.All() {
			at := id{s.Name, r.Name}
			if got, ok := found[s.Name]; !ok {
				return fmt.Errorf("%s: no answer for %s", r.Name, s.Name)
			} else if old, ok := answers[at]; !ok || !reflect.DeepEqual(old, got) {
				fmt.Printf("%s: %s: %s, kept: %s\n", r.Name, s.Name, brief(got), brief(old))
				n++
			}
			answers[at] = found[s.Name]
		}
		fmt.Printf("%s: %d answers, %d differ from those kept\n", r.Name, len(found), n)
		asked++
		differ += n
	}
	if asked == 0 {
		return fmt.Errorf("%s: no reader that could be asked", sources)
	}
	if !update && differ > 0 {
		return fmt.Errorf("%d answers differ; -update keeps the new ones", differ)
	} else if !update {
		return nil
	}
	var b bytes.Buffer
	if err := readers.Encode(&b, collect(answers)); err != nil {
		return err
	}
	return os.WriteFile(answersFile, b.Bytes(), 0o644)
}

// id is a shard and a reader.
type id struct{ shard, reader string }

// expand returns the reading of each shard by each reader.
func expand(answers []readers.Answer) map[id]readers.Reading {
	all := make(map[id]readers.Reading)
	for _, a := range answers {
		for _, r := range a.Readers {
			all[id{a.Shard, r}] = a.Reading
		}
	}
	return all
}

// collect returns answers in the order of shards and readers, equal ones together.
func collect(all map[id]readers.Reading) (answers []readers.Answer) {
	for _, s := range oddshards.All() {
		first := len(answers)
		for _, r := range readers.All() {
			reading, ok := all[id{s.Name, r.Name}]
			if !ok {
				continue
			}
			i := slices.IndexFunc(answers[first:], func(a readers.Answer) bool {
				return reflect.DeepEqual(a.Reading, reading)
			})
			if i >= 0 {
				answers[first+i].Readers = append(answers[first+i].Readers, r.Name)
				continue
			}
			answers = append(answers, readers.Answer{
				Shard: s.Name, Digest: s.Digest(), Readers: []string{r.Name}, Reading: reading})
		}
	}
	return answers
}

// ask runs a reader over the odd shards, in a directory of its own.
func ask(name, sources, dir string) (map[string]readers.Reading, error) {
	cmd, err := adapter(name, sources, dir)
	if err != nil {
		return nil, err
	}
	var in bytes.Buffer
	lines := json.NewEncoder(&in)
	for _, s := range oddshards.All() {
		var paths []string
		at := filepath.Join(dir, s.Name)
		for _, f := range s.Files {
			path := filepath.Join(at, filepath.FromSlash(f.Path))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(path, f.Data, 0o644); err != nil {
				return nil, err
			}
			paths = append(paths, f.Path)
		}
		if err := lines.Encode(map[string]any{"shard": s.Name, "dir": at, "files": paths}); err != nil {
			return nil, err
		}
	}
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, last(stderr.Bytes(), 2000))
	}
	answers, err := readers.Decode(bytes.NewReader(out))
	found := make(map[string]readers.Reading)
	for _, a := range answers {
		found[a.Shard] = a.Reading
	}
	return found, err
}

// last returns the last n bytes of a text.
func last(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// brief describes a reading.
func brief(r readers.Reading) string {
	return fmt.Sprintf("%d samples, %d members, %q", len(r.Samples), len(r.Members), r.Err)
}
