package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Links in documents lead to files, each document is linked from README.md, and the rows of a table have equally many
// cells.
func TestPages(t *testing.T) {
	const root = "../.."
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	code := regexp.MustCompile("`[^`\n]*`")
	bar := regexp.MustCompile(`(^|[^\\])\|`)
	linked := make(map[string]bool)
	for _, name := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(string(text), ""), -1) {
			to := filepath.Join(filepath.Dir(name), m[1])
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
			}
			if filepath.Base(name) == "README.md" {
				linked[to] = true
			}
		}
		cells := 0
		for number, line := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(line, "|") {
				cells = 0
				continue
			}
			n := len(bar.FindAllString(line, -1))
			if cells != 0 && n != cells {
				t.Errorf("%s:%d: %d cells, and those before have %d", name, number+1, n-1, cells-1)
			}
			cells = n
		}
	}
	for _, page := range pages {
		if !linked[page] {
			t.Errorf("README.md does not link %s", page)
		}
	}
}
