package table

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/pack"
)

// save writes a table.
func save(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// apply adds a table's members to samples without any, and returns them: key|extension=content.
func apply(table *Table, keys ...string) (string, error) {
	var members []string
	samples := table.Apply(func(yield func(pack.Sample, error) bool) {
		for _, key := range keys {
			if !yield(pack.New(key, []pack.Member{pack.TextMember("jpg", nil)}), nil) {
				return
			}
		}
	})
	for s, err := range samples {
		if err != nil {
			return "", err
		}
		for _, m := range s.Members()[1:] {
			f, err := m.File.Open()
			if err != nil {
				return "", err
			}
			content, err := io.ReadAll(f)
			if err != nil {
				return "", err
			}
			members = append(members, fmt.Sprintf("%s|%s=%s", s.Key, m.Ext, content))
		}
	}
	return strings.Join(members, " "), nil
}

func TestFormats(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a.csv", "id,txt\na,A\nb,\"B,\n\"\"B\"\"\"\n", `b|txt=B,` + "\n" + `"B" a|txt=A`},
		{"a.CSV", "\ufeff\"id\",txt\r\nb,B\r\na,A", "b|txt=B a|txt=A"},
		{"a.csv", "txt,id\n,b\n", "b|txt="},
		{"a.tsv", "id\ttxt\n\nb\t\"B\n", `b|txt="B`},
		{"a.tsv", "\ufeffid\ttxt\r\nx/b.jpg\tno\r\nb.seg.png\tB\r\n", "b|txt=B"},
		{
			"a.jsonl", `{"id":"b","z":"\u00e9","a":1.50,"o":{"x": 1},"n":null,"t":true}`,
			`b|a=1.50 b|o={"x": 1} b|t=true b|z=é`,
		},
		{"a.jsonl", "{\"id\":\"./a\"}\n\n{\"id\":\"b\",\"x\":\"\"}\n", "b|x="},
	} {
		table, err := Open(save(t, tt.name, tt.text), "id")
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got, err := apply(table, "b", "c", "a"); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.text, got, err, tt.want)
		}
		table.Close()
	}
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"a.txt", "", ErrFormat},
		{"a.csv", "", ErrFormat},
		{"a.csv", "id,a,a\n", ErrFormat},
		{"a.csv", "id,a/b\n", ErrFormat},
		{"a.csv", "id,\n", ErrFormat},
		{"a.csv", "id,a\nb\n", ErrFormat},
		{"a.csv", "id,a\n\"b\n", ErrFormat},
		{"a.csv", "key,a\n", ErrColumn},
		{"a.csv", "id,a\nb,1\nb.jpg,2\n", ErrTwice},
		{"a.jsonl", "[]\n", ErrFormat},
		{"a.jsonl", "{\"key\":1}\n", ErrColumn},
		{"a.jsonl", "{\"id\":null}\n", ErrColumn},
	} {
		if table, err := Open(save(t, tt.name, tt.text), "id"); !errors.Is(err, tt.want) {
			t.Errorf("%s %q: %v, %v, want %v", tt.name, tt.text, table, err, tt.want)
		}
	}
	if _, err := Open(t.TempDir()+"/none.csv", "id"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestApplyErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"a.csv", "id,jpg\nb,1\n", pack.ErrExtensionConflict},
		{"a.csv", "id,x\nc,1\n", ErrNoKey},
		{"a.jsonl", `{"id":"b","x/y":1}`, ErrFormat},
	} {
		table, err := Open(save(t, tt.name, tt.text), "id")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := apply(table, "b"); !errors.Is(err, tt.want) {
			t.Errorf("%s %q: %q, %v, want %v", tt.name, tt.text, got, err, tt.want)
		}
		table.Close()
	}
}

// Rows and samples that have no partner are counted, in any order of the table.
func TestCounts(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("id,x\n")
	for i := 999; i >= 0; i-- {
		fmt.Fprintf(&rows, "%d,%d\n", i, i)
	}
	table, err := Open(save(t, "a.csv", rows.String()), "id")
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	got, err := apply(table, "5", "none", "700", "5")
	if err != nil || got != "5|x=5 700|x=700 5|x=5" || table.Alone != 1 || table.Unused() != 998 {
		t.Errorf("%q, %v, %d samples alone, %d rows unused", got, err, table.Alone, table.Unused())
	}
}
