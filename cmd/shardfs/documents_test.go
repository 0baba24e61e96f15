package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
)

// example is a command line that a document shows.
type example struct {
	code   string
	output string // what the document says that it prints, ... for anything; "" if it says nothing
	status int
	notRun string // why the tests do not run it
}

var (
	fence       = regexp.MustCompile("^```(.*)\n$")
	mark        = regexp.MustCompile(`^<!-- not run: (.+) -->\n$`)
	inTable     = regexp.MustCompile("`([^`]*shardfs [^`]*)`")
	inText      = regexp.MustCompile("`(shardfs [a-z]+ [^`]+)`")
	exitComment = regexp.MustCompile(`# exit status (\d+)`)
	placeholder = regexp.MustCompile(`\b[A-Z]{2,}\b|…`) // SHARD, MOUNTPOINT: not a command line
)

// readDocument returns the examples in a document: blocks of sh and console, and whole command lines between
// backquotes, those in tables with shardfs anywhere. A comment <!-- not run: WHY --> before a block excludes it.
func readDocument(text string) (examples []example, err error) {
	language, block, notRun, in := "", "", "", false
	for line := range strings.Lines(text) {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && !in:
			language, block, in = m[1], "", true
		case m != nil:
			more, err := readBlock(language, block)
			if err != nil {
				return nil, err
			}
			for _, e := range more {
				e.notRun = notRun
				examples = append(examples, e)
			}
			in, notRun = false, ""
		case in:
			block += line
		case mark.MatchString(line):
			notRun = mark.FindStringSubmatch(line)[1]
		case strings.HasPrefix(line, "|"):
			examples = append(examples, readLine(inTable, line)...)
		default:
			examples = append(examples, readLine(inText, line)...)
		}
	}
	return examples, nil
}

// readLine returns the command lines in a line of text.
func readLine(span *regexp.Regexp, line string) (examples []example) {
	for _, m := range span.FindAllStringSubmatch(line, -1) {
		if code := strings.ReplaceAll(m[1], `\|`, "|"); !placeholder.MatchString(withoutVariables(code)) {
			examples = append(examples, newExample(code))
		}
	}
	return examples
}

// withoutVariables removes the names of variables, which look like placeholders.
func withoutVariables(code string) string {
	return regexp.MustCompile(`\$\{?[A-Z_]+`).ReplaceAllString(code, "")
}

// newExample returns an example whose exit status is 0, or as a comment in it says.
func newExample(code string) example {
	e := example{code: strings.TrimSuffix(code, "\n")}
	if m := exitComment.FindStringSubmatch(code); m != nil {
		e.status, _ = strconv.Atoi(m[1])
	}
	return e
}

// readBlock returns the commands in a block. In one of console, commands begin with "$ " and their output follows them.
func readBlock(language, block string) (examples []example, err error) {
	switch language {
	case "text", "python":
		return nil, nil
	case "sh", "console":
	default:
		return nil, fmt.Errorf("a block of %q, which is none of sh, console, text and python:\n%s", language, block)
	}
	code := ""
	for line := range strings.Lines(block) {
		if language == "console" && code == "" {
			command, ok := strings.CutPrefix(line, "$ ")
			if !ok && len(examples) > 0 {
				examples[len(examples)-1].output += line
				continue
			}
			line = command
		}
		if code += line; !complete(code) {
			continue
		}
		if strings.TrimSpace(code) != "" {
			examples = append(examples, newExample(code))
		}
		code = ""
	}
	if code != "" {
		return nil, fmt.Errorf("not a whole command:\n%s", code)
	}
	return examples, nil
}

// complete reports whether a text is a whole command of bash. Of an unfinished here-document bash only warns.
func complete(code string) bool {
	said, err := exec.Command("bash", "-n", "-c", code).CombinedOutput()
	return err == nil && len(said) == 0 && !strings.HasSuffix(code, "\\\n")
}

// runDocument runs the examples of a document as they are typed, one after the other in the directory of the story:
//
//	document README.md
//
// Programs that machines lack, or that need others, are in testdata/programs.
func runDocument(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: document FILE")
	}
	text, err := os.ReadFile(filepath.Join("../..", args[0]))
	ts.Check(err)
	examples, err := readDocument(string(text))
	ts.Check(err)
	usePrograms(ts)
	for _, e := range examples {
		if e.notRun == "" {
			runExample(ts, e)
		}
	}
}

// runHelp runs the examples in the help of each verb. Those with a mountpoint find it mounted, if they do not mount it
// themselves, and leave it as they like:
//
//	helpexamples
func runHelp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: helpexamples")
	}
	usePrograms(ts)
	root := newRoot(&globals{UI: new(ui.UI)})
	for _, verb := range append(root.Commands(), root) {
		ts.Logf("help of %s", verb.Name())
		examples, err := readBlock("sh", verb.Example)
		ts.Check(err)
		if len(examples) == 0 && verb.IsAvailableCommand() {
			ts.Fatalf("%s has no examples", verb.Name())
		}
		for _, e := range examples {
			if usesMount(e.code) && server.CanMount() && !strings.Contains(e.code, "shardfs mount ") {
				ts.Check(ts.Exec("shardfs", "mount", "train.tar", "mnt"))
			}
			runExample(ts, e)
			if len(mountpoints(ts.Getenv("WORK"))) > 0 {
				ts.Check(ts.Exec("shardfs", "umount", "--discard", "mnt"))
			}
		}
	}
}

// usePrograms puts the stand-ins for programs first, and one for PyTorch where that is missing.
func usePrograms(ts *testscript.TestScript) {
	programs, err := filepath.Abs("testdata/programs")
	ts.Check(err)
	ts.Setenv("PATH", programs+":"+ts.Getenv("PATH"))
	if ts.Exec("python3", "-c", "import torch") != nil {
		ts.Setenv("PYTHONPATH", filepath.Join(filepath.Dir(programs), "python"))
	}
	ts.Setenv("PYTHONDONTWRITEBYTECODE", "1")
}

// usesMount reports whether a command needs FUSE: the documents call all mountpoints mnt.
func usesMount(code string) bool { return regexp.MustCompile(`\bmnt\b`).MatchString(code) }

// runExample runs an example, and checks its exit status, what it has printed if the document says so, and that an
// output out.tar is a shard with samples.
func runExample(ts *testscript.TestScript, e example) {
	for _, program := range []string{"jq", "python3", "shuf", "zstd", "curl"} {
		if _, err := exec.LookPath(program); err != nil && strings.Contains(e.code, program+" ") {
			if _, err := os.Stat("testdata/programs/" + program); err != nil {
				ts.Logf("SKIPPED: no %s for %s", program, e.code)
				return
			}
		}
	}
	if usesMount(e.code) && !server.CanMount() {
		ts.Logf("SKIPPED: no FUSE for %s", e.code)
		return
	}
	if strings.Contains(e.code, "allow_other") && os.Geteuid() != 0 {
		ts.Logf("SKIPPED: not root for %s", e.code)
		return
	}
	writes := strings.Contains(e.code, "-o out.tar") && e.status == 0
	if out := ts.MkAbs("out.tar"); writes {
		os.Remove(out)
	}
	err := ts.Exec("bash", "-eo", "pipefail", "-c", "exec 2>&1\n"+ending(e.code))
	said := ts.ReadFile("stdout")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != e.status) || err == nil && e.status != 0 {
		ts.Fatalf("%s: %v, want exit status %d\n%s", e.code, err, e.status, said)
	}
	if e.output != "" && !printed(e.output, said) {
		ts.Fatalf("%s: printed\n%s\nand not\n%s", e.code, said, e.output)
	}
	if writes {
		if err := ts.Exec("sh", "-ec", "test -n \"$(shardfs ls out.tar)\""); err != nil {
			ts.Fatalf("%s: no samples: %v", e.code, err)
		}
	}
}

// ending returns an example that ends: a page is served until its address was printed.
func ending(code string) string {
	if !strings.HasPrefix(strings.TrimSpace(code), "shardfs view ") {
		return code
	}
	return "rm -f view.out; : >view.out\n{ exec " + code + "\n} >view.out & pid=$!\n" +
		"until grep http view.out; do kill -0 $pid || break; sleep 0.05; done\nkill $pid && wait $pid"
}

// printed reports whether a text has the same words as another one, in which ... stands for any.
func printed(want, got string) bool {
	var parts []string
	for part := range strings.SplitSeq(want, "...") {
		parts = append(parts, regexp.QuoteMeta(strings.Join(strings.Fields(part), " ")))
	}
	match := regexp.MustCompile(`\A` + strings.Join(parts, ".*") + `\z`)
	return match.MatchString(strings.Join(strings.Fields(got), " "))
}

// Every document has a story that runs it, and few of its examples are not run.
func TestDocuments(t *testing.T) {
	stories, err := filepath.Glob("testdata/script/*.txtar")
	shardtest.Check(t, err)
	run := make(map[string]bool)
	for _, story := range stories {
		text, err := os.ReadFile(story)
		shardtest.Check(t, err)
		for _, m := range regexp.MustCompile(`(?m)^document (\S+)$`).FindAllStringSubmatch(string(text), -1) {
			run[m[1]] = true
		}
	}
	documents, err := filepath.Glob("../../docs/*.md")
	shardtest.Check(t, err)
	var notRun []string
	for _, name := range append(documents, "../../README.md") {
		text, err := os.ReadFile(name)
		shardtest.Check(t, err)
		examples, err := readDocument(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		document := strings.TrimPrefix(name, "../../")
		for _, e := range examples {
			if e.notRun != "" {
				notRun = append(notRun, fmt.Sprintf("%s: %s: %s", document, e.notRun, e.code))
			} else if !run[document] {
				t.Errorf("%s: no story runs %s", document, e.code)
			}
		}
	}
	if want := 24; len(notRun) != want {
		t.Errorf("%d examples are not run, want %d:\n%s", len(notRun), want, strings.Join(notRun, "\n"))
	}
}
