// Command generate writes the corpus of unusual archives: corpus.zip with the archives, and expect.jsonl with the
// expected members of each and which of four readers find them.
//
//	go generate ./internal/testing/corpus
//
// It needs python3, libarchive's library, GNU tar, bzip2 and xz, and writes the same archives on every machine.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// line is a line of expect.jsonl.
type line struct {
	File    string   `json:"file"`
	Layers  []string `json:"layers,omitempty"`
	Want    string   `json:"want,omitempty"`
	Agree   int      `json:"agree"`
	Readers []string `json:"readers"`
	Differ  string   `json:"differ,omitempty"`
	Regular int      `json:"regular"`
	Digest  string   `json:"digest"`
	Members []string `json:"members"`
}

func main() {
	dir := must1(os.MkdirTemp("", "corpus"))
	defer os.RemoveAll(dir)
	var plain []string
	all := archives()
	for _, a := range all {
		name := filepath.Join(dir, a.name)
		must(os.WriteFile(name, a.content, 0o600))
		plain = append(plain, name)
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	var expect bytes.Buffer
	e := json.NewEncoder(&expect)
	e.SetEscapeHTML(false)
	put := func(l line, content []byte) {
		must2(must1(z.Create(l.File)).Write(content))
		must(e.Encode(l))
	}
	found := readAll(plain)
	for i, a := range all {
		l := a.line()
		for _, reader := range []string{"go", "python", "libarchive", "gnutar"} {
			if found[i][reader].equal(list(a.members)) {
				l.Readers = append(l.Readers, reader)
			} else if os.Getenv("VERBOSE") != "" {
				fmt.Fprintf(os.Stderr, "%s: %s: %v\n", a.name, reader, found[i][reader])
			}
		}
		if l.Agree = len(l.Readers); l.Agree < 3 != (a.differ != "") {
			fmt.Fprintf(os.Stderr, "%s: %v agree; said to differ: %q\n", a.name, l.Readers, a.differ)
		}
		put(l, a.content)
	}
	for _, c := range compressed() {
		l := c.line()
		l.Layers = []string{c.layer}
		put(l, c.content)
	}
	must(z.Close())
	must(os.WriteFile("corpus.zip", archive.Bytes(), 0o644))
	must(os.WriteFile("expect.jsonl", expect.Bytes(), 0o644))
	fmt.Printf("%d bytes of corpus.zip, %d of expect.jsonl\n", archive.Len(), expect.Len())
}

// line returns the line of expect.jsonl for an archive, without the readers.
func (a archive) line() line {
	l := line{File: a.name, Want: a.want, Differ: a.differ, Regular: len(a.members), Digest: digest(list(a.members)),
		Readers: []string{}, Members: []string{}}
	for _, m := range a.members[:min(20, len(a.members))] {
		l.Members = append(l.Members, strconv.QuoteToASCII(m.name)+" "+strconv.Itoa(len(m.content)))
	}
	return l
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func must1[V any](v V, err error) V {
	must(err)
	return v
}

func must2[V any](_ V, err error) { must(err) }
