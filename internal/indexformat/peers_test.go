package indexformat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/testing/corpus"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// python runs testdata/peers.py.
func python(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("python3", append([]string{"testdata/peers.py"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "python3, to compare with")
	}
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// Writers in Python, with its own tar reader, write the same bytes; readers in Python find every member by an
// exported index.
func TestPeers(t *testing.T) {
	clean := []file{
		{"a.jpg", "hello"}, {"a.txt", ""}, {"a/b.seg.png", "mask"}, {"a/b.jpg", strings.Repeat("x", 5000)}, {"a/", ""},
		{long, "1"}, {"gnu" + long, "2"}, {"__meta__/x.json", "3"}, {"README", "4"}, {"__meta__.json", "5"},
		{".hidden", "6"},
		{"ü.jpg", "7"}, {"gnu\xff\x80.jpg", "8"}, {"😀\x7f\\\".jpg", "9"}, {"l.jpg", "->a.jpg"},
		{"b.jpg", "1"}, {"README", "2"}, {"b.png", "3"}, {"a.jpg", "again"}, {"z.cls", "last"},
		{"z/", ""}, {"z/.x", "4"},
	}
	for story, files := range map[string][]file{
		"odd names":          clean,
		"ordinary":           numbered(300),
		"one":                {{"a.jpg", ""}},
		"control characters": {{"a\b\f\x01.jpg", "1"}}, // white space, for one format
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, "a.tar")
		plain := makeTar(t, files...)
		if err := os.WriteFile(name, plain, 0o644); err != nil {
			t.Fatal(err)
		}
		s := shardOf(t, plain)
		for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
			if f == WDS2IDX && story == "control characters" {
				continue
			}
			text, _ := export(t, f, s)
			idx := Name(f, name)
			if err := os.WriteFile(idx, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, want := python(t, string(f), name, idx), found(f, s); got != want {
				t.Errorf("%s: %s: its reader finds\n%s, want\n%s", story, f, got, want)
			}
			if want, err := os.ReadFile(idx + ".peer"); text != string(want) || err != nil {
				t.Errorf("%s: %s: %q, want %q, %v", story, f, text, want, err)
			}
		}
	}
}

// found lists what a reader of a format must find in a shard: sample, name and content of each member.
func found(f Format, s Shard) string {
	var b strings.Builder
	last := make(map[string]int)
	for e := range entries(s.Index) {
		last[e.name] = e.Row
	}
	sample := -1
	left := -1
	for e := range entries(s.Index) {
		content := make([]byte, e.Size)
		s.Plain.ReadAt(content, e.Data)
		switch {
		case f == HuggingFace:
			isFile := e.Mode == 0o644 && e.End > e.Header && !strings.HasSuffix(e.name, "/") && e.name != "l.jpg"
			if isFile && last[e.name] == e.Row {
				fmt.Fprintf(&b, "0 %x %x\n", e.name, content)
			}
		case !e.InSample || f == WDS2IDX && strings.Contains(e.name, "/."):
		default:
			if e.sample != left {
				sample, left = sample+1, e.sample
			}
			fmt.Fprintf(&b, "%d %x %x\n", sample, e.name, content)
		}
	}
	return b.String()
}

// The export of any tar that can be indexed is either refused with a reason, or right, also when it is used without a
// scan.
func TestCorpus(t *testing.T) {
	exported, refused := 0, 0
	for _, a := range corpus.Archives(t) {
		name, plain := a.Name, a.Content
		if !a.Plain() {
			continue
		}
		x, err := index.Build(bytes.NewReader(plain), index.BuildOptions{})
		if err != nil {
			continue
		}
		s := Shard{Index: x, Plain: bytes.NewReader(plain), Size: int64(len(plain))}
		for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
			var b bytes.Buffer
			if _, err := Export(&b, f, s); err != nil {
				if !errors.Is(err, ErrUnsuited) {
					t.Errorf("%s: %v", name, err)
				}
				refused++
				continue
			}
			exported++
			if f == HuggingFace && !json.Valid(b.Bytes()) {
				t.Errorf("%s: %q is not JSON", name, b.Bytes())
			}
			h, err := Import(&b, f, s.Size)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if err := h.Check(x); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			checkProvisional(t, h, s)
			if _, err := h.Verify(s.Plain); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	t.Logf("%d exported, %d refused", exported, refused)
	if exported < 50 {
		t.Errorf("only %d exports", exported)
	}
}
