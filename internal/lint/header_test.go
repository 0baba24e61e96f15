package lint

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
)

// What is odd about headers, in the second of two members.
func TestHeaders(t *testing.T) {
	pax := func(kind byte, records string) []byte { return rawMember(kind, "PaxHeaders/x", records) }
	b := rawMember('0', "b.x", "bbb")
	for _, tt := range []struct {
		story string
		odd   []byte
		want  []string
	}{
		{"nothing", b, nil},
		{"a text instead of an owner", rawMember('0', "b.x", "bbb", 108, "nobody\x00"),
			[]string{"python-stops b.x", "go-fails b.x"}},
		{"a group's name that runs over", rawMember('0', "b.x", "bbb", 297, strings.Repeat("g", 40)),
			[]string{"python-stops b.x", "go-fails b.x"}},
		{"a time before 1970", rawMember('0', "b.x", "bbb", 136, "-0000000001\x00"), []string{"go-fails b.x"}},
		{"a time of npm's tar-stream", rawMember('0', "b.x", "bbb", 136, "0-170231600 "),
			[]string{"python-stops b.x", "go-fails b.x"}},
		{"no time", rawMember('0', "b.x", "bbb", 136, "yesterday\x00\x00\x00"), []string{"python-stops b.x",
			"go-fails b.x"}},
		{"GNU's times", rawMember('0', "b.x", "bbb", 257, "ustar  \x00", 345, "14524770400\x00"),
			[]string{"python-differs b.x"}},
		{"a prefix before ustar", rawMember('0', "b.x", "bbb", 257, "\x00\x00\x00\x00\x00\x00\x00\x00", 345, "p"),
			[]string{"python-differs b.x"}},
		{"a prefix", rawMember('0', "b.x", "bbb", 345, "p"), []string{"split-name p/b.x", "slash-keys p/b.x"}},
		{"type 7", rawMember('7', "b.x", "bbb"), []string{"contiguous b.x"}},
		{"a size in base 256", rawMember('0', "b.x", "bbb", 124,
			"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03"),
			[]string{"huge b.x"}},
		{"a size of twelve digits", rawMember('0', "b.x", "bbb", 124, "000000000003"),
			[]string{"unended-size b.x"}},
		{"a global path", slices.Concat(pax('g', record("path", "g.x")), b), []string{"python-differs b.x"}},
		{"a global comment", slices.Concat(pax('g', record("comment", "c")), b), nil},
		{"a global header at the end", slices.Concat(b, pax('g', record("comment", "c"))),
			[]string{"python-fails"}},
		{"global holes", slices.Concat(pax('g', record("GNU.sparse.major", "1")+record("GNU.sparse.minor",
			"0")), b),
			[]string{"python-fails b.x"}},
		{"two extended headers", slices.Concat(pax('x', record("path", "c.x")), pax('x', record("comment",
			"c")), b),
			[]string{"extended-header b.x", "python-differs b.x"}},
		{"a long name after another", slices.Concat(pax('x', record("path", "c.x")), pax('L', "d.x\x00"), b),
			[]string{"extended-header d.x", "python-differs d.x"}},
		{"Sun's header", slices.Concat(pax('X', record("path", "c.x")), b),
			[]string{"extended-header c.x", "go-differs c.x"}},
		{"a padded header", slices.Concat(pax('x', record("path", "c.x")+strings.Repeat("\x00", 512)), b),
			[]string{"extended-header c.x", "go-fails c.x"}},
		{"a header of no member", slices.Concat(b, pax('x', record("path", "lost.x"))),
			[]string{"dangling-header b.x"}},
		{"a long name of no member", slices.Concat(b, pax('L', "lost.x\x00")), []string{"dangling-header b.x"}},
		{"an empty path", slices.Concat(pax('x', record("path", "")), b),
			[]string{"extended-header b.x", "python-differs b.x"}},
		{"old holes", slices.Concat(rawMember('S', "b.x", "bbb", 257, "ustar  \x00",
			386, "00000000100\x0000000000003\x00", 483, "00000000103\x00")), []string{"sparse b.x"}},
	} {
		plain := slices.Concat(rawMember('0', "a.x", "aa"), tt.odd, make([]byte, 2*index.BlockSize))
		found, err := look(plain)
		if got := outline(found); err != nil || !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
			t.Errorf("%s: %q, %v, want %q", tt.story, got, err, tt.want)
		}
	}
	plain := slices.Concat(rawMember('0', "a.x", "a", 257, "\x00\x00\x00\x00\x00\x00\x00\x00"), make([]byte,
		2*index.BlockSize))
	if found, err := look(plain); err != nil || !slices.Equal(outline(found), []string{"old-header a.x"}) {
		t.Errorf("an old header: %v, %v", found, err)
	}
}

// Names of shards that readers do not take literally, and names that are there twice.
func TestShardNames(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  []string
	}{
		{[]string{"0.tar", "1.tar"}, nil},
		{[]string{"a/0.tar", "b/0.tar"}, []string{"shard-name-twice "}},
		{[]string{"a#1.tar"}, []string{"shard-name #"}},
		{[]string{"d#1/a?b.tar"}, []string{"shard-name ?"}},
		{[]string{"a::b.tar"}, []string{"shard-name ::"}},
		{[]string{"a:b.tar"}, []string{"shard-name :"}},
		{[]string{"a{b,c}.tar", "d{e}.tar", "f{0..3}.tar"}, []string{"shard-name {,}", "shard-name {,}"}},
		{[]string{"a.yaml"}, []string{"shard-name .yaml"}},
		{[]string{"a%20b [1].tar"}, nil},
	} {
		var got []string
		c := New(func(f Finding) error {
			got = append(got, string(f.Code)+" "+f.Variant)
			return nil
		})
		for i, name := range tt.names {
			s := c.Open(name)
			if err := s.Read(bytes.NewReader(makeTar(t, string(rune('a'+i))+".x"))); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.names, got, tt.want)
		}
	}
}
