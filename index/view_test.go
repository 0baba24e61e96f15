package index

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestEscapeKey(t *testing.T) {
	long := strings.Repeat("k", 255)
	for _, tt := range []struct{ key, path string }{
		{"a", "a"},
		{"a/b", "a/b"},
		{"ü \n\xff\x7f", "ü \n\xff\x7f"}, // what a directory entry can carry stays
		{"", "%"},
		{"/", "%/%"},
		{"a/", "a/%"},
		{"a//b", "a/%/b"},
		{"/a", "%/a"},
		{".", "%2E"},
		{"..", "%2E%2E"},
		{"...", "..."},
		{"./a", "%2E/a"},
		{"../../a", "%2E%2E/%2E%2E/a"},
		{"a\x00b", "a%00b"},

		// A percent sign is escaped where it would be read as an escape.
		{"%", "%25"},
		{"100%", "100%"},
		{"%%", "%%"},
		{"50%a", "50%a"},
		{"%2e", "%2e"},
		{"%2E", "%252E"},
		{"%25", "%2525"},
		{"%%25", "%%2525"},
		{"a%2Fb", "a%252Fb"},
		{"%\x00", "%%00"},
		{"%0\x00", "%0%00"},
		{"a%~b", "a%25~b"},
		{"%/%", "%25/%25"},

		// A nested directory cannot have the name of a sample's file; one at the top can.
		{"sample.x", "sample.x"},
		{"sample.x/a", "sample.x/a"},
		{"a/sample.x/b", "a/%73ample.x/b"},
		{"a/sample~2.x/b", "a/%73ample~2.x/b"},
		{"a/sample.%25/b", "a/%73ample.%2525/b"},
		{"a/sample", "a/sample"},
		{"a/samples.x/b", "a/samples.x/b"},
		{"__key__", "__key__"},
		{"a/__key__", "a/%5F_key__"},
		{"a/__source__", "a/%5F_source__"},
		{"a/__key__x", "a/__key__x"},

		{long, long},
		{"a/" + long, "a/" + long},
	} {
		if got := escapeKey(tt.key); got != tt.path {
			t.Errorf("escapeKey(%q) = %q, want %q", tt.key, got, tt.path)
		}
		if back := KeyOfPath(tt.path); back != tt.key {
			t.Errorf("KeyOfPath(%q) = %q, want %q", tt.path, back, tt.key)
		}
	}
	// A path under which no key is shown is that of a new directory, and is its key.
	for _, path := range []string{"%41", "%2e%2E", "%73ample.x", "a/sample.x", "a/%2525/%41", "%~x", "a~2%~"} {
		if got := KeyOfPath(path); got != path {
			t.Errorf("KeyOfPath(%q) = %q, want the path itself", path, got)
		}
	}
}

// checkEscape checks every key's path: it is valid, can be converted back to the key, and is not that of another key.
func checkEscape(t *testing.T, key string) (path string) {
	t.Helper()
	path = escapeKey(key)
	for i, name := range strings.Split(path, "/") {
		checkName(t, name)
		if i > 0 && isSampleFile(name) {
			t.Errorf("escapeKey(%q) = %q, where a nested directory has the name of a file", key, path)
		}
	}
	if strings.Count(path, "/") != strings.Count(key, "/") {
		t.Errorf("escapeKey(%q) = %q, which has other components", key, path)
	}
	// Only a shortened name contains this, and only a shortened name cannot be converted back.
	if back := KeyOfPath(path); back != key && !strings.Contains(path, "%~") {
		t.Errorf("KeyOfPath(%q) = %q, want %q", path, back, key)
	}
	return path
}

// checkName checks that a directory entry can have a name.
func checkName(t testing.TB, name string) {
	t.Helper()
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
		t.Errorf("%q (%d bytes) is no name", name, len(name))
	}
}

func TestEscapeKeyExhaustively(t *testing.T) {
	for _, tokens := range [][]string{
		{"%", "2", "5", "E", ".", "/", "~", "\x00"},
		{"/", "%", ".", "sample", "__key__", "%73", "%5F", "~2"},
	} {
		keys := make(map[string]string)
		combinations(tokens, 5, func(key string) {
			path := checkEscape(t, key)
			if other, taken := keys[path]; taken && other != key {
				t.Errorf("%q and %q both get the path %q", other, key, path)
			}
			keys[path] = key
		})
	}
	if path := escapeKey(strings.Repeat("%~", 120)); len(path) != 255 {
		t.Errorf("a component that is too long once it is escaped gets %d bytes", len(path))
	}
}

func TestSplitFile(t *testing.T) {
	for _, tt := range []struct {
		name, ext string
		n         int
	}{
		{"sample.jpg", "jpg", 1},
		{"sample.seg.png", "seg.png", 1},
		{"sample.", "", 1},
		{"sample..", ".", 1},
		{"sample.__key__", "__key__", 1},
		{"sample~2.jpg", "jpg", 2},
		{"sample~10.", "", 10},
		{"sample.~2.jpg", "~2.jpg", 1},
		{"sample.%00", "\x00", 1},
		{"sample.%2541", "%41", 1},
		{"sample.%41", "%41", 1}, // a new file: no member is shown so
		{"sample.%", "%", 1},
		{"sample.\xff\n", "\xff\n", 1},

		{"sample", "", 0},
		{"sample~2", "", 0},
		{"sample~1.jpg", "", 0},
		{"sample~0.jpg", "", 0},
		{"sample~02.jpg", "", 0},
		{"sample~-2.jpg", "", 0},
		{"sample~+2.jpg", "", 0},
		{"sample~x.jpg", "", 0},
		{"sample~.jpg", "", 0},
		{"sample~99999999999999999999.jpg", "", 0},
		{"samples.jpg", "", 0},
		{"Sample.jpg", "", 0},
		{"__key__", "", 0},
		{"", "", 0},
	} {
		if ext, n, ok := SplitFile(tt.name); ext != tt.ext || n != tt.n || ok != (tt.n > 0) {
			t.Errorf("SplitFile(%q) = %q, %d, %v, want %q, %d", tt.name, ext, n, ok, tt.ext, tt.n)
		}
	}
}

// checkSplitFile checks that the name of every member's file gives back its extension and number.
func checkSplitFile(t *testing.T, ext string, n int) {
	t.Helper()
	name := memberFile(ext, n)
	checkName(t, name)
	if !isSampleFile(name) {
		t.Errorf("file of the %d-th %q is called %q", n, ext, name)
	}
	if strings.Contains(name, "%~") {
		return // shortened
	}
	if gotExt, gotN, ok := SplitFile(name); gotExt != ext || gotN != n || !ok {
		t.Errorf("SplitFile(%q) = %q, %d, %v, want %q, %d", name, gotExt, gotN, ok, ext, n)
	}
}

func TestSplitFileExhaustively(t *testing.T) {
	names := make(map[string]string)
	combinations([]string{"%", "2", "5", "E", ".", "~", "\x00"}, 5, func(ext string) {
		for n := 1; n <= 3; n++ {
			checkSplitFile(t, ext, n)
			name, is := memberFile(ext, n), fmt.Sprint(n, ext)
			if other, taken := names[name]; taken {
				t.Errorf("%q and %q both get the name %q", other, is, name)
			}
			names[name] = is
		}
	})
}

// A name that is too long is shortened, and two that begin alike stay two.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("x", 300)
	path := escapeKey(long)
	if beginning, hash, ok := strings.Cut(path, "%~"); len(path) != 255 || !strings.HasPrefix(long, beginning) ||
		len(hash) != 32 || !ok {
		t.Errorf("escapeKey of 300 bytes = %q", path)
	}
	if got := KeyOfPath(path); got != path {
		t.Errorf("KeyOfPath(%q) = %q, which it cannot know", path, got)
	}
	x := indexOf(t, long+"1.e", long+"2.e", long+"1/a.e", "a."+long+"1", "a."+long+"2", "a."+long+"1")
	checkView(t, x)
	for number, want := range []string{long + "1", long + "2", long + "1/a", "a"} {
		if got := x.Key(number); got != want {
			t.Errorf("key of sample %d is %q, want %q", number, got, want)
		}
	}
	if got := x.Path(x.Parent(x.DirOf(2))); got != x.Sample(0).Path {
		t.Errorf("%q is nested in %q, want %q", x.Sample(2).Path, got, x.Sample(0).Path)
	}
}

func TestPaths(t *testing.T) {
	long := strings.Repeat("x", 254)
	for _, tt := range []struct {
		keys  []string // one sample each
		paths []string
	}{
		{[]string{"a", "b", "a", "a~2", "a"}, []string{"a", "b", "a~2", "a~2~2", "a~3"}},
		{[]string{"a~2", "a", "b", "a"}, []string{"a~2", "a", "b", "a~3"}},
		{[]string{"a", "a~2", "a", "a~3", "a"}, []string{"a", "a~2", "a~3", "a~3~2", "a~4"}},
		{[]string{"a", "b", "a", "a~2/c", "a~2"}, []string{"a", "b", "a~2", "a~2/c", "a~2~2"}},
		// a directory with only subdirectories has the name, too
		{[]string{"a~2/c", "a", "b", "a"}, []string{"a~2/c", "a", "b", "a~3"}},
		{[]string{"", "b", ""}, []string{"%", "b", "%~2"}},
		{[]string{"%~2", "", "b", ""}, []string{"%25~2", "%", "b", "%~2"}},
		{[]string{"d/sample", "b", "d/sample"}, []string{"d/sample", "b", "d/sample~2"}},
		{[]string{"d/sample~2", "d/sample", "b", "d/sample"}, []string{"d/%73ample~2", "d/sample", "b", "d/sample~2"}},
		{[]string{long, "b", long, long + "~2"}, []string{long, "b", fit(long + "~2"), numbered(fit(long+"~2"), 2)}},
		{[]string{"a/b", "a", "a/b", "a"}, []string{"a/b", "a", "a/b~2", "a~2"}},
		{[]string{"./a", "a", "../a", "/a"}, []string{"%2E/a", "a", "%2E%2E/a", "%/a"}},
	} {
		x := indexOfKeys(t, tt.keys...)
		checkView(t, x)
		for number, key := range tt.keys {
			s := x.Sample(number)
			if s.Key != key || s.Path != tt.paths[number] {
				t.Errorf("of %q sample %d is %q at %q, want %q at %q", tt.keys, number, s.Key, s.Path, key,
					tt.paths[number])
			}
			if first, ok := x.FindKey(key); !ok || first != slices.Index(tt.keys, key) {
				t.Errorf("of %q FindKey(%q) = %d, %v", tt.keys, key, first, ok)
			}
		}
		if n, ok := x.FindKey("nowhere"); ok {
			t.Errorf("FindKey of no key = %d", n)
		}
	}
}

// indexOfKeys returns an index of samples with these keys, including keys that SplitName would not return.
func indexOfKeys(t *testing.T, keys ...string) *Index {
	var b Builder
	b.begin()
	for i, key := range keys {
		b.close()
		b.open, b.key, b.start = true, key, i
		for column, v := range map[*column]uint64{
			&b.x.c.header: uint64(i) * 2 * BlockSize, &b.x.c.size: 1, &b.x.c.mtime: 0, &b.x.c.blocks: 1, &b.x.c.mode: 0,
			&b.x.c.ext: b.extID("x"),
		} {
			column.append(v)
		}
	}
	return b.Finish(int64(len(keys)) * 2 * BlockSize)
}

// checkView checks the view of an index: each directory and each file in it has one name, by which it can be found.
func checkView(t testing.TB, x *Index) {
	t.Helper()
	seen := 0
	paths := make(map[string]bool)
	var walk func(d Dir)
	walk = func(d Dir) {
		seen++
		path := x.Path(d)
		if paths[path] {
			t.Errorf("two directories at %q", path)
		}
		paths[path] = true
		if found, ok := x.Find(path); !ok || found != d {
			t.Errorf("Find(%q) = %d, %v, want %d", path, found, ok, d)
		}
		names := map[string]bool{KeyFile: d != Root, SourceFile: d != Root}
		if number, ok := x.SampleIn(d); ok {
			checkSample(t, x, d, number, names)
		}
		last := d // children come after their parent and in order of first appearance
		for child, ok := x.FirstChild(d); ok; child, ok = x.Sibling(child) {
			name := x.Name(child)
			checkName(t, name)
			if names[name] {
				t.Errorf("%q in %q stands for two things", name, path)
			}
			names[name] = true
			if found, ok := x.Child(d, name); !ok || found != child || x.Parent(child) != d {
				t.Errorf("Child(%q, %q) = %d, %v, want %d", path, name, found, ok, child)
			}
			if child <= last {
				t.Errorf("directory %d in %d comes after %d", child, d, last)
				return
			}
			last = child
			walk(child)
		}
		for _, name := range []string{"", "nothing", "sample.nothing"} {
			if child, ok := x.Child(d, name); ok && !names[name] {
				t.Errorf("Child(%q, %q) = %d", path, name, child)
			}
		}
	}
	walk(Root)
	if seen != x.Dirs() {
		t.Errorf("%d directories can be reached, of %d", seen, x.Dirs())
	}
}

// checkSample is checkView for the sample in a directory. It adds the names of the sample's files.
func checkSample(t testing.TB, x *Index, d Dir, number int, names map[string]bool) {
	t.Helper()
	s := x.Sample(number)
	if s.Number != number || s.Path != x.Path(d) || x.DirOf(number) != d || x.Key(number) != s.Key {
		t.Errorf("sample %d at %q is %+v", number, x.Path(d), s)
	}
	if key := x.AppendKey([]byte("> "), number); string(key) != "> "+s.Key {
		t.Errorf("AppendKey of sample %d: %q, want %q", number, key, s.Key)
	}
	for row := s.Start; row < s.End; row++ {
		if m := x.Member(row); x.HasExt(row, m.Ext) != m.InSample || x.HasExt(row, m.Ext+"x") {
			t.Errorf("row %d: HasExt %q", row, m.Ext)
		}
	}
	first, ok := x.FindKey(s.Key)
	if !ok || first > number || x.Key(first) != s.Key {
		t.Errorf("FindKey(%q) = %d, %v, want %d or one before", s.Key, first, ok, number)
	}
	if s.Start >= s.End || !x.InSample(s.Start) || !x.InSample(s.End-1) {
		t.Errorf("sample %d has rows %d to %d", number, s.Start, s.End)
	}
	for row := s.Start; row < s.End; row++ {
		if !x.InSample(row) {
			continue
		}
		name := x.FileName(row)
		checkName(t, name)
		if names[name] {
			t.Errorf("%q in %q stands for two things", name, s.Path)
		}
		names[name] = true
		if found, ok := x.FindFile(number, name); !ok || found != row {
			t.Errorf("FindFile(%d, %q) = %d, %v, want %d", number, name, found, ok, row)
		}
		if got := x.SampleOfRow(row); got != number {
			t.Errorf("row %d is in sample %d, want %d", row, got, number)
		}
		if m := x.Member(row); !m.InSample || m.Row != row {
			t.Errorf("row %d is %+v", row, m)
		}
	}
	for _, name := range []string{"", "sample", KeyFile, "sample.no such"} {
		if row, ok := x.FindFile(number, name); ok && !strings.Contains(name, "such") {
			t.Errorf("FindFile(%d, %q) = %d", number, name, row)
		}
	}
}

// FuzzView makes an index of any names, which are separated by bars, and compares it with the rules.
func FuzzView(f *testing.F) {
	for _, names := range []string{
		"a.x|a.y|b.x|a.x|a~2.x|a.x|a.x",
		"a.x|a/b.x|a/sample.x/c.x|a/__key__.x|a//b.x|a/.b|./a.x|../.a|a/sample~2.x|a.__key__|a.",
		"%.x|%2E.x|a%2Fb.x|%~.x|a.%00|a.\x00|a.%|sample.x|sample/sample.x/y.z",
		strings.Repeat("k", 300) + ".x|" + strings.Repeat("k", 301) + ".x|a." + strings.Repeat("e", 300),
		strings.Repeat("%~", 128) + ".x|a." + strings.Repeat("\x00", 100) + "|a\nb.c|\xff.x|__m__/a.x|noext",
	} {
		f.Add(names)
	}
	f.Fuzz(func(t *testing.T, list string) {
		names := strings.Split(list, "|")
		x := indexOf(t, names...)
		checkView(t, x)
		var keys []string
		var exts []string
		for row, name := range names {
			key, ext, ok := MemberKey(name)
			if ok != x.InSample(row) {
				t.Fatalf("%q in a sample: %v", name, !ok)
			}
			if !ok {
				if x.OutsideName(row) != name {
					t.Fatalf("name of row %d is %q, want %q", row, x.OutsideName(row), name)
				}
				continue
			}
			if len(keys) == 0 || keys[len(keys)-1] != key {
				keys, exts = append(keys, key), nil
			}
			exts = append(exts, ext)
			number := len(keys) - 1
			if got := x.SampleOfRow(row); got != number || x.Key(got) != key || x.Member(row).Ext != ext {
				t.Fatalf("%q is member %q of sample %d %q, want %q of %d %q",
					name, x.Member(row).Ext, got, x.Key(got), ext, number, key)
			}
			n := 0
			for _, other := range exts {
				if other == ext {
					n++
				}
			}
			if got := x.FileName(row); got != memberFile(ext, n) {
				t.Fatalf("%q is shown as %q, want %q", name, got, memberFile(ext, n))
			}
			checkSplitFile(t, ext, n)
			path := checkEscape(t, key)
			first := slices.Index(keys, key)
			if got, ok := x.FindKey(key); !ok || got != first {
				t.Fatalf("FindKey(%q) = %d, %v, want %d", key, got, ok, first)
			}
			if s := x.Sample(number); s.Path != path && !strings.Contains(s.Path, "~") {
				t.Fatalf("sample %q is shown at %q, want %q", key, s.Path, path)
			}
		}
		if x.Samples() != len(keys) {
			t.Fatalf("%d samples, want %d", x.Samples(), len(keys))
		}
		checkSaved(t, &File{Index: x})
	})
}
