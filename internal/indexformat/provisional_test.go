package indexformat

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBeside(t *testing.T) {
	for shard, want := range map[string][]Place{
		"s3://b/a.tar":     {{WDS2IDX, "s3://b/a.idx"}, {HuggingFace, "s3://b/a.json"}},
		"d.x/a-1.0.tar":    {{WDS2IDX, "d.x/a-1.idx"}, {WDS2IDX, "d.x/a-1.0.idx"}, {HuggingFace, "d.x/a-1.0.json"}},
		"https://h/a.json": {{WDS2IDX, "https://h/a.idx"}},
		"https://h/":       nil,
	} {
		if got := Beside(shard); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", shard, got, want)
		}
	}
}

// The samples of a provisional index are those of the shard, and their bytes too.
func TestProvisional(t *testing.T) {
	files := append([]file{{"d/", ""}, {"README", "x"}, {"d/a.x", "1"}, {"d/a.y", ""}, {long, "2"}}, numbered(300)...)
	s := shardOf(t, makeTar(t, files...))
	at := time.Unix(1e9, 0)
	for _, f := range []Format{WDS2IDX, HuggingFace} {
		text, _ := export(t, f, s)
		x, err := mustImport(t, f, text, s.Size).Provisional(at)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := slices.Collect(x.Keys()), slices.Collect(s.Index.Keys()); !slices.Equal(got, want) {
			t.Fatalf("%s: %q, want %q", f, got, want)
		}
		if !reflect.DeepEqual(x.Extensions(), s.Index.Extensions()) {
			t.Errorf("%s: %v, want %v", f, x.Extensions(), s.Index.Extensions())
		}
		for row := range x.Rows() {
			m := x.Member(row)
			if _, err := x.Open(row, s.Plain); err != nil || !m.ModTime.Equal(at) || m.Mode != 0o644 {
				t.Fatalf("%s: row %d: %+v, %v", f, row, m, err)
			}
		}
	}
}

// What leaves names, or much of the shard, open is not used.
func TestProvisionalRefused(t *testing.T) {
	s := shardOf(t, makeTar(t, file{"a.x", "1"}, file{"a.y", "2"})) // content at 512 and 1536
	hf := func(names ...string) string {
		var list []string
		for i, name := range names {
			list = append(list, fmt.Sprintf(`"%s": {"offset": %d, "size": 1}`, name, 512+1024*i))
		}
		return `{"files": {` + strings.Join(list, ", ") + `}}`
	}
	for _, tt := range []struct {
		story  string
		format Format
		text   string
		size   int64
		want   error
	}{
		{"right", HuggingFace, hf("a.x", "a.y"), s.Size, nil},
		{"right", WDS2IDX, "v1.2 1\nx 512 1 a.x y 1536 1 a.y", s.Size, nil},
		{"a backslash", HuggingFace, hf(`a\\n.x`), s.Size, nil},
		{"without names", WDS2IDX, "v1.1 1\nx 512 1 y 1536 1", s.Size, ErrUnsuited},
		{"offsets only", Energon, strings.Repeat("\x00", 9) + "\x08" + strings.Repeat("\x00", 6), s.Size, ErrUnsuited},
		{"no samples", HuggingFace, hf("README", "a"), s.Size, ErrUnsuited},
		{"nothing", HuggingFace, hf(), 1024, ErrUnsuited},
		{"an empty name", HuggingFace, hf("", "a.x"), s.Size, ErrUnsuited},
		{"a name with NUL", HuggingFace, hf(`a\u0000.x`), s.Size, ErrUnsuited},
		{"a name above", HuggingFace, hf("d/../../a.x"), s.Size, ErrUnsuited},
		{"a name that is not UTF-8", HuggingFace, hf(`a\udcff.x`), s.Size, ErrUnsuited},
		{"an escaped name", WDS2IDX, `v1.2 1` + "\n" + `x 512 1 a\303\274.x`, s.Size, ErrUnsuited},
		{"no room for the end marker", HuggingFace, hf("a.x", "a.y"), s.Size - 512, ErrDiffers},
		{"of a shorter shard", HuggingFace, hf("a.x", "a.y"), s.Size + 10240, ErrDiffers},
		{"a hole", HuggingFace, `{"files": {"a.x": {"offset": 1049088, "size": 1}}}`, 1051136, ErrDiffers},
	} {
		x, err := mustImport(t, tt.format, tt.text, tt.size).Provisional(time.Unix(0, 0))
		if !errors.Is(err, tt.want) || (x == nil) != (tt.want != nil) {
			t.Errorf("%s: %v, want %v", tt.story, err, tt.want)
		}
	}
}

// checkProvisional checks that an index that was accepted gives no other bytes than those of a member with that name.
func checkProvisional(t *testing.T, im *Imported, s Shard) {
	t.Helper()
	x, err := im.Provisional(time.Unix(0, 0))
	if err != nil {
		if !errors.Is(err, ErrUnsuited) && !errors.Is(err, ErrDiffers) {
			t.Fatal(err)
		}
		return
	}
	places := make(map[int64]string) // names by place of the content
	for e := range entries(s.Index) {
		places[e.Data] = fmt.Sprintf("%s %d", e.name, e.Size)
	}
	for e := range entries(x) {
		content, err := x.Open(e.Row, s.Plain)
		if err != nil {
			continue
		}
		got, want := fmt.Sprintf("%s %d", e.name, e.Size), places[e.Data]
		if _, err := io.Copy(io.Discard, content); err != nil || got != want {
			t.Fatalf("%q at byte %d, where %q is: %v", got, e.Data, want, err)
		}
	}
}
