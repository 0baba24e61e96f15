package index

import (
	"regexp"
	"testing"
)

func TestSplitName(t *testing.T) {
	for _, tt := range []struct {
		name, key, ext string
		ok             bool
	}{
		{"a.jpg", "a", "jpg", true},
		{"n03788365_17158.jpg", "n03788365_17158", "jpg", true},
		{"a.b.jpg", "a", "b.jpg", true},
		{"dir.v1/a.jpg", "dir.v1/a", "jpg", true}, // dots in directories do not count
		{"x/y.z/w.v.u", "x/y.z/w", "v.u", true},
		{"a.", "a", "", true}, // an empty extension is one
		{"a..jpg", "a", ".jpg", true},
		{"a.JPG", "a", "JPG", true}, // names are bytes: no case is changed
		{"A.jpg", "A", "jpg", true},

		// Without an extension a file belongs to no sample.
		{"", "", "", false},
		{"noext", "", "", false},
		{"dir.v1/noext", "", "", false},
		{"a.tar.gz/b", "", "", false},
		{"d/", "", "", false},

		// A hidden file takes its directory as key, if that can be one.
		{".hidden", "", "", false},
		{".hidden.jpg", "", "", false},
		{"..jpg", "", "", false},
		{"d/.a.jpg", "d/", "a.jpg", true},
		{"d/.b.jpg", "d/", "b.jpg", true},
		{"d/..jpg", "d/", ".jpg", true},
		{"/.a.jpg", "/", "a.jpg", true},
		{"d//.a.jpg", "d//", "a.jpg", true},
		{"./.a.jpg", "", "", false},
		{"../.a.jpg", "", "", false},
		{"v.1/.a.jpg", "", "", false},

		// The directory stays in the key.
		{"./a.jpg", "./a", "jpg", true},
		{"../a.jpg", "../a", "jpg", true},
		{"/abs/a.jpg", "/abs/a", "jpg", true},

		// The rule's dot does not match a newline, so a directory whose name holds one counts as part of the base name.
		{"a\nb.jpg", "a\nb", "jpg", true},
		{"a.j\npg", "a", "j\npg", true},
		{"a.jpg\n", "a", "jpg\n", true},
		{"\n.jpg", "\n", "jpg", true},
		{"d\n/a.jpg", "d\n/a", "jpg", true},
		{"d\n/.a.jpg", "d\n/", "a.jpg", true},
		{"x.y/d\n/a.jpg", "x.y/d\n/a", "jpg", true},
		{"d.1\n/a.jpg", "", "", false},
		{"a\nb", "", "", false},
	} {
		if key, ext, ok := SplitName(tt.name); key != tt.key || ext != tt.ext || ok != tt.ok {
			t.Errorf("SplitName(%q) = %q, %q, %v, want %q, %q, %v", tt.name, key, ext, ok, tt.key, tt.ext, tt.ok)
		}
	}
}

func TestMemberKey(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"__meta__", "", false},
		{"__meta__/a.json", "", false},
		{"__idx__/d/a.json", "", false},
		{"____/a.json", "", false},
		{"__.__/a.json", "", false},
		{"__meta__.json", "__meta__", true},
		{"__m__x/a.json", "__m__x/a", true},
		{"___/a.json", "___/a", true}, // the underscores do not overlap
		{"__m_/a.json", "__m_/a", true},
		{"sub/__m__/a.json", "sub/__m__/a", true},
		{"./__m__/a.json", "./__m__/a", true},
	} {
		if key, _, ok := MemberKey(tt.name); key != tt.key || ok != tt.ok {
			t.Errorf("MemberKey(%q) = %q, %v, want %q, %v", tt.name, key, ok, tt.key, tt.ok)
		}
	}
}

// published is the grouping rule as WebDataset publishes it, and skipped its rule for names to skip.
var (
	published = regexp.MustCompile(`^((?:.*/|)[^.]+)[.]([^/]*)$`)
	skipped   = regexp.MustCompile(`^__[^/]*__($|/)`)
)

// checkSplit compares SplitName and MemberKey with the published rules.
func checkSplit(t *testing.T, name string) {
	t.Helper()
	var wantKey, wantExt string
	m := published.FindStringSubmatch(name)
	if m != nil {
		wantKey, wantExt = m[1], m[2]
	}
	if key, ext, ok := SplitName(name); key != wantKey || ext != wantExt || ok != (m != nil) {
		t.Errorf("SplitName(%q) = %q, %q, %v, want %q, %q, %v", name, key, ext, ok, wantKey, wantExt, m != nil)
	} else if ok && key+"."+ext != name {
		t.Errorf("SplitName(%q) = %q, %q, which do not make the name", name, key, ext)
	}
	want := m != nil && !skipped.MatchString(name)
	if _, _, ok := MemberKey(name); ok != want {
		t.Errorf("MemberKey(%q) is %v, want %v", name, ok, want)
	}
}

// combinations calls f with every string of at most n of the tokens.
func combinations(tokens []string, n int, f func(string)) {
	var extend func(s string, n int)
	extend = func(s string, n int) {
		f(s)
		if n == 0 {
			return
		}
		for _, token := range tokens {
			extend(s+token, n-1)
		}
	}
	extend("", n)
}

func TestSplitNameExhaustively(t *testing.T) {
	combinations([]string{"a", ".", "/"}, 8, func(name string) { checkSplit(t, name) })
	combinations([]string{"a", ".", "/", "\n"}, 6, func(name string) { checkSplit(t, name) })
	combinations([]string{"_", "__", ".", "/", "a"}, 6, func(name string) { checkSplit(t, name) })
}

func FuzzSplitName(f *testing.F) {
	for _, name := range []string{"a.jpg", "d.v1/a.b.jpg", "d/.a", "./.a", "__meta__/a.json", "a\nb/c.d",
		"\xff/\x00.\xfe"} {
		f.Add(name)
	}
	f.Fuzz(checkSplit)
}
