package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// runExamples runs the command lines of a document: text between backquotes with shardfs in it, and blocks of sh. Each
// must succeed, and if it writes out.tar, that must be a shard with samples:
//
//	examples from-tarproc.md
func runExamples(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: examples DOCUMENT")
	}
	text, err := os.ReadFile(filepath.Join("../../docs", args[0]))
	ts.Check(err)
	examples := examplesOf(string(text))
	if len(examples) < 20 {
		ts.Fatalf("%d examples in %s", len(examples), args[0])
	}
	out := ts.MkAbs("out.tar")
	for _, example := range examples {
		if _, err := exec.LookPath("jq"); err != nil && strings.Contains(example, "jq ") {
			ts.Logf("SKIPPED: no jq for %s", example)
			continue
		}
		if err := ts.Exec("bash", "-eo", "pipefail", "-c", example); err != nil {
			ts.Fatalf("%s: %v", example, err)
		}
		if !strings.Contains(example, "out.tar") {
			continue
		}
		if err := ts.Exec("sh", "-ec", "test -n \"$(shardfs ls out.tar)\""); err != nil {
			ts.Fatalf("%s: no samples: %v", example, err)
		}
		ts.Check(os.Remove(out))
	}
}

// examplesOf returns the command lines in a document.
func examplesOf(text string) (examples []string) {
	span := regexp.MustCompile("`[^`]*shardfs [^`]*`")
	block, inBlock := "", false
	for line := range strings.Lines(text) {
		switch {
		case inBlock && line == "```\n":
			examples, inBlock = append(examples, block), false
		case inBlock:
			block += line
		case line == "```sh\n":
			block, inBlock = "", true
		case strings.HasPrefix(line, "|"):
			for _, s := range span.FindAllString(line, -1) {
				examples = append(examples, strings.ReplaceAll(strings.Trim(s, "`"), `\|`, "|"))
			}
		}
	}
	return examples
}
