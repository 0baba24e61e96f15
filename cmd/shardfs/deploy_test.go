package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// The files in deploy/examples are what the command lines of its README print.
func TestExamplesOfJobs(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		skip.Without(t, "bash: %v", err)
	}
	text, err := os.ReadFile("../../deploy/examples/README.md")
	shardtest.Check(t, err)
	examples, err := readDocument(string(text))
	shardtest.Check(t, err)
	dir := t.TempDir()
	made := make(map[string]bool)
	for _, e := range examples {
		into := regexp.MustCompile(`>(\S+)$`).FindStringSubmatch(e.code)
		if into == nil {
			continue
		}
		cmd := exec.Command("bash", "-ec", e.code)
		cmd.Dir, cmd.Env = dir, shardfsIn(dir).Env
		if said, err := cmd.CombinedOutput(); err != nil || bytes.Contains(said, []byte("warning")) {
			t.Errorf("%s: %v: %s", e.code, err, said)
		}
		got, err := os.ReadFile(filepath.Join(dir, into[1]))
		shardtest.Check(t, err)
		compareKept(t, filepath.Join("../../deploy/examples", into[1]), got)
		if strings.HasSuffix(into[1], ".yaml") {
			checkManifest(t, got)
		}
		made[into[1]] = true
	}
	files, err := os.ReadDir("../../deploy/examples")
	shardtest.Check(t, err)
	for _, f := range files {
		if !made[f.Name()] && f.Name() != "README.md" {
			t.Errorf("deploy/examples/%s: no command line of README.md writes it", f.Name())
		}
	}
}

// Both images run as the user of pods, and are built by the Go of go.mod. Without a program that builds images, make image says
// so in one line.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	shardtest.Check(t, err)
	mod, err := os.ReadFile("../../go.mod")
	shardtest.Check(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	stages := strings.Split(string(text), "\nFROM ")
	if !strings.HasPrefix(stages[1], "golang:"+string(version[1])+" ") {
		t.Errorf("the first stage is not built by Go %s: %s", version[1], stages[1])
	}
	for _, stage := range stages[2:] {
		if !strings.Contains(stage, "\nUSER 65532:65532\n") {
			t.Errorf("the user is another one: FROM %s", stage)
		}
	}
	if len(stages) != 4 || nobody != 65532 {
		t.Errorf("%d stages, and pods run as %d", len(stages)-1, nobody)
	}
	gnuMake, err := exec.LookPath("make")
	if err != nil {
		skip.Without(t, "make: %v", err)
	}
	cmd := exec.Command(gnuMake, "-s", "-C", "../..", "image", "VERSION=test", "GO=true")
	cmd.Env = []string{"PATH=" + t.TempDir()}
	said, err := cmd.CombinedOutput()
	const want = "make image: neither docker nor podman works here, and one of them builds images\n"
	if err == nil || !strings.HasPrefix(string(said), want) {
		t.Errorf("%v: %s", err, said)
	}
}
