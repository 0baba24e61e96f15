package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every message in docs/troubleshooting.md is in the program or in a story about it. A message is between **` and `**,
// with … for names and numbers.
func TestTroubleshooting(t *testing.T) {
	const root = "../.."
	var said strings.Builder
	for _, dir := range []string{"cmd/shardfs", "index", "pack", "fusefs", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				if e != nil && e.Name() == "testing" {
					return filepath.SkipDir
				}
				return err
			}
			story := strings.HasSuffix(name, ".txtar")
			if !story && (!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go")) {
				return nil
			}
			text, err := os.ReadFile(name)
			said.WriteString(strings.ReplaceAll(string(text), `\`, ""))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "docs/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	messages := regexp.MustCompile("(?m)^\\*\\*`(.+?)`\\*\\*").FindAllStringSubmatch(string(text), -1)
	if len(messages) < 20 {
		t.Fatalf("%d messages", len(messages))
	}
	for _, m := range messages {
		for part := range strings.SplitSeq(m[1], "…") {
			if part = strings.Trim(part, " :"); !strings.Contains(said.String(), part) {
				t.Errorf("%q is not in the program: %s", part, m[0])
			}
		}
	}
}
