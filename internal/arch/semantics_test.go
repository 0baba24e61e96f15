package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// outside matches paths outside the repository in tests.
var outside = regexp.MustCompile(`"(\.\./)+shared\b`)

// Every sentence of docs/semantics.md names tests. The tests exist, and need no files that a clone lacks.
func TestSemantics(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs/semantics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	function := regexp.MustCompile(`(?ms)^func ((?:Test|Fuzz)\w*)\(.*?^}`)
	lacking := make(map[string]bool)
	err = filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(name, ".txtar"):
			known[filepath.Base(name)] = true
		case strings.HasSuffix(name, "_test.go"):
			source, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for _, m := range function.FindAllSubmatch(source, -1) {
				known[string(m[1])] = true
				if outside.Match(m[0]) {
					lacking[string(m[1])] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+|\\w+\\.txtar)`")
	_, sentences, _ := strings.Cut(string(text), "\n## ")
	for _, sentence := range strings.Split(sentences, "\n* ")[1:] {
		sentence, _, _ = strings.Cut(sentence, "\n\n")
		tests := named.FindAllStringSubmatch(sentence, -1)
		if len(tests) == 0 {
			t.Errorf("no test is named for: %s", sentence)
		}
		for _, m := range tests {
			if !known[m[1]] {
				t.Errorf("%s is not there, which is named for: %s", m[1], sentence)
			}
			if lacking[m[1]] {
				t.Errorf("%s opens files that a clone lacks, and is named for: %s", m[1], sentence)
			}
		}
	}
}
