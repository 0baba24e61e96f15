package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
)

// look returns the codes of what is found in shards of regular members with these names, shards being separated by "|" and
// other members ending in "->".
func look(names ...string) (codes []string) {
	l := New()
	report := func(f Finding) { codes = append(codes, fmt.Sprintf("%s:%s", f.Code, f.Member)) }
	s, at := l.Shard("first", report), int64(0)
	for _, name := range names {
		if name == "|" {
			s.End()
			s, at = l.Shard("next", report), 0
			continue
		}
		name, link := strings.CutSuffix(name, "->")
		s.Member(&index.Entry{Name: []byte(name), Header: at, Data: at + index.BlockSize, Regular: !link && !strings.HasSuffix(name, "/")})
		at += 2 * index.BlockSize
	}
	s.End()
	return codes
}

func TestFindings(t *testing.T) {
	long := strings.Repeat("x", 252) + ".jpg"
	for _, tt := range []struct {
		names string // separated by blanks, in which _ stands for a blank
		want  string
	}{
		{"a.jpg a.cls b.jpg b.cls", ""},
		{"a.jpg a.seg.png a.cls", ""},
		{"d/", "directory:d/ empty:"},
		{"a.jpg a.JPG", "duplicate:a.JPG"},
		{"a.JPG a.cls", "upper-case:a.JPG"},
		{"a.jpg b.jpg a.cls", "returning-key:a.cls"},
		{"a.jpg README a.cls", "no-extension:README"},
		{"a.jpg link-> a.cls", "not-regular:link"},
		{"a.jpg | b.jpg", ""},
		{"a.jpg | b.jpg | a.cls", "repeated-key:a.cls"},
		{"a.jpg A.jpg", "case:A.jpg"},
		{"a.jpg | A.jpg", ""},
		{"a.__key__", "reserved:a.__key__"},
		{"a.jpg a.__url__", "reserved:a.__url__"},
		{"a.jpg a.__bad__", "reserved:a.__bad__"},
		{"a.jpg a.__source__ a._x", "underscore:a.__source__ underscore:a._x"},
		{"a.", "empty-extension:a."},
		{"a.jpg .hidden", "hidden:.hidden"},
		{"d/.a.jpg d/.b.cls", "directory-key:d/.a.jpg hidden:d/.a.jpg directory-key:d/.b.cls hidden:d/.b.cls"},
		{"a.jpg __meta__/x.json", "meta:__meta__/x.json"},
		{"__meta__.json", ""},
		{"/a.jpg", "path:/a.jpg"},
		{"./a.jpg", "path:./a.jpg"},
		{"../a.jpg", "path:../a.jpg"},
		{"d//a.jpg", "path:d//a.jpg"},
		{"d.x/a.jpg", "directory-key:d.x/a.jpg"},
		{"\xff.jpg", "not-utf-8:\xff.jpg"},
		{"\x01.jpg", "control:\x01.jpg"},
		{"a_b.jpg", "blank:a b.jpg"},
		{"é.jpg", "not-ascii:é.jpg"},
		{long, "long:" + long},
		{"README", "no-extension:README empty:"},
	} {
		names := strings.Fields(tt.names)
		for i := range names {
			if !strings.Contains(names[i], "__") && !strings.Contains(names[i], "._") {
				names[i] = strings.ReplaceAll(names[i], "_", " ")
			}
		}
		want := strings.Fields(tt.want)
		if strings.HasPrefix(tt.want, "blank:") {
			want = []string{tt.want}
		}
		if got := look(names...); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", names, got, want)
		}
	}
}

// An extended header for each member is told of once.
func TestExtended(t *testing.T) {
	var found []Finding
	s := New().Shard("", func(f Finding) { found = append(found, f) })
	for i := range int64(5) {
		s.Member(&index.Entry{Name: fmt.Appendf(nil, "%d.txt", i), Header: i * 3000, Data: i*3000 + 3*index.BlockSize, Regular: true})
	}
	s.Member(&index.Entry{Header: 20000, Data: 21024}) // a global one
	s.End()
	if len(found) != 1 || found[0].Code != "extended" || !strings.HasPrefix(found[0].Text, "5 of 6 members") || found[0].Severity != Note || found[0].Offset != -1 {
		t.Errorf("%+v", found)
	}
}
