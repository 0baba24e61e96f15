package lint

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/shardfs/shardfs/index"
)

// look returns the findings in shards of one dataset, and the error of reading the last one.
func look(shards ...[]byte) (found []Finding, err error) {
	c := New(func(f Finding) error {
		found = append(found, f)
		return nil
	})
	for i, plain := range shards {
		s := c.Open(fmt.Sprintf("%d.tar", i))
		if err = s.Read(bytes.NewReader(plain)); err != nil {
			s.Damaged(err, false)
		}
	}
	return found, err
}

// outline lists findings by their codes and subjects.
func outline(found []Finding) []string {
	lines := []string{}
	for _, f := range found {
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s %s", f.Code, f.Member), " "))
	}
	return lines
}

// names returns the names of n members.
func names(format string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

var long = strings.Repeat("l", 256)

// members are tars with all findings in them.
var members = []struct {
	tar  []string
	want []string
}{
	{[]string{"a.jpg", "a.json", "b.json", "b.jpg", "c.json", "c.jpg"}, nil},
	{[]string{"*", "a.jpg"}, nil},
	{[]string{"b.jpg", "README.jpg", "a.jpg"}, nil},
	{names("%d.jpg", 2000), nil},

	{[]string{"a.jpg", "a.jpg", "b.jpg"}, []string{"duplicate-extension a.jpg"}},
	{[]string{"a.jpg", "a.JPG"}, []string{"duplicate-extension a.JPG"}},
	{[]string{"a.jpg", "README", "a.jpg"}, []string{"no-extension README", "duplicate-extension a.jpg"}},
	{[]string{"a.jpg", "b.jpg", "c.jpg", "c.png"}, []string{"fields-differ"}},
	{[]string{"a.jpg", "a.cls", "b.jpg", "c.cls"}, []string{"fields-differ"}},
	{append(names("%d.jpg", 9), "x.jpg", "x.cls"), []string{"fields-differ"}},
	{[]string{"0.jpg", "0.cls", "1.cls", "1.jpg", "2.jpg", "2.cls", "3.jpg", "3.cls", "4.jpg", "4.cls",
		"5.jpg"}, nil},
	{[]string{"__a.jpg", "d/__b.jpg"}, []string{"hidden-sample __a.jpg", "hidden-sample d/__b.jpg",
		"slash-keys d/__b.jpg"}},
	{[]string{"a.\xff", "a.\xfe"}, []string{"not-utf8 a.\xff", "not-utf8 a.\xfe"}},
	{[]string{"a.é", "a.É"},
		[]string{"not-ascii a.é", "not-ascii a.É", "duplicate-extension a.É"}},
	{[]string{"a.__key__"}, []string{"reserved-extension a.__key__"}},
	{[]string{"a.__URL__"}, []string{"reserved-extension a.__URL__"}},
	{[]string{"a.__bad__", "b.__source__", "c.__local_path__"}, []string{
		"reserved-extension a.__bad__", "reserved-extension b.__source__", "fields-differ",
		"reserved-extension c.__local_path__"}},
	{[]string{"a.__bad__ 0"}, []string{"reserved-extension a.__bad__"}},
	{[]string{"a.__shard__"}, []string{"reserved-extension a.__shard__"}},
	{[]string{"a.__key__.txt"}, []string{"underscore-extension a.__key__.txt", "dotted-extension a.__key__.txt"}},
	{[]string{"a.jpg", "b.jpg", "a.cls", "b.cls", "a.txt"},
		[]string{"key-returns a.cls", "fields-differ", "key-returns b.cls", "key-returns a.txt"}},
	{[]string{"a.jpg", "README", "a.cls"}, []string{"no-extension README"}},
	{[]string{"a.jpg", "README", "b.jpg", "LICENSE"}, []string{"no-extension README", "no-extension LICENSE"}},

	{[]string{"README"}, []string{"no-extension README", "empty"}},
	{nil, []string{"empty"}},
	{[]string{"a.jpg", "A.cls", "a.cls", "A.jpg"},
		[]string{"case-collision A.cls", "fields-differ", "key-returns a.cls", "key-returns A.jpg"}},
	{[]string{"A.jpg", "B.jpg"}, nil},
	{[]string{"a.x", ".hidden", ".hidden.jpg", "..jpg", "v.1/.a.jpg"}, []string{
		"hidden .hidden", "hidden .hidden.jpg", "hidden ..jpg", "hidden v.1/.a.jpg"}},
	{[]string{"d/.a.jpg", "d/.b.jpg"}, []string{
		"hidden-key d/.a.jpg", "hidden-key d/.b.jpg", "empty", "slash-keys d/.a.jpg"}},
	{[]string{"a.x", "noext", "dir.v1/noext"}, []string{"no-extension noext", "no-extension dir.v1/noext"}},
	{[]string{"a."}, []string{"empty-extension a."}},
	{[]string{"a.gz", "b.GZ", "a.gz.x"}, []string{"compressed-member a.gz", "upper-case b.GZ",
		"compressed-member b.GZ",
		"fields-differ", "key-returns a.gz.x", "dotted-extension a.gz.x"}},
	{[]string{"a._x", "a.x_"}, []string{"underscore-extension a._x"}},
	{[]string{"A.Jpg"}, []string{"upper-case A.Jpg"}},
	{[]string{"//a.x"}, []string{"absolute-name //a.x", "slash-keys //a.x"}},
	{[]string{"a..jpg"}, []string{"double-dot a..jpg", "dotted-extension a..jpg"}},
	{names("img.%d.jpg", 10), []string{"dotted-names img.0.jpg", "dotted-extension img.0.jpg"}},
	{names("img.%d.jpg", 9), []string{"dotted-extension img.0.jpg"}},
	{names("a%d.seg.png", 5000), []string{"dotted-extension a0.seg.png"}},
	{names("img.%d.jpg", 5000), []string{"dotted-names img.0.jpg", "dotted-extension img.0.jpg"}},
	{append(names("a.%d.jpg", 10), names("b.%d.jpg", 10)...), []string{"dotted-extension a.0.jpg"}}, // ten a sample
	{[]string{"a.x", "__meta__/a.json", "a.y", ".b", "a.z", "c.z"}, []string{
		"meta __meta__/a.json", "hidden .b", "fields-differ"}},
	{[]string{"a.x", "__meta__/a.json", "__meta__"}, []string{"meta __meta__/a.json", "meta __meta__"}},
	{[]string{"__meta__.json"}, []string{"hidden-sample __meta__.json"}},
	{[]string{"a.x", "d/"}, []string{"directory d/"}},
	{[]string{"a.x", "a.y->", "a.z=>"}, []string{"link a.y", "link a.z"}},
	{[]string{"a.x", "a.y|", "a.z#"}, []string{"special a.y", "special a.z"}},
	{[]string{"ü.x", "a.x"}, []string{"not-ascii ü.x"}},
	{[]string{"\xff.x", "a.x"}, []string{"not-utf8 \xff.x"}},
	{[]string{"a\t.x", "b\x7f.x"}, []string{"control a\t.x", "control b\x7f.x"}},
	{[]string{"a\n.x", "b.x\n"}, []string{"control a\n.x", "control b.x\n", "fields-differ"}},
	{[]string{`a\b.x`}, []string{`backslash a\b.x`}},
	{[]string{"a b.jpg"}, []string{"blank a b.jpg"}},
	{[]string{"d\n/a.x"}, []string{"control d\n/a.x", "slash-keys d\n/a.x"}},
	{[]string{"a.b\n/c.x", "b.x"}, []string{"newline a.b\n/c.x"}},
	{[]string{"/a.x"}, []string{"absolute-name /a.x", "slash-keys /a.x"}},
	{[]string{"../a.x", "b/../a.x"}, []string{"parent-name ../a.x", "parent-name b/../a.x", "slash-keys ../a.x"}},
	{[]string{"./a.x", "./b.x"}, []string{"dot-name ./a.x", "dot-name ./b.x", "slash-keys ./a.x"}},
	{[]string{"d//a.x", "./"}, []string{"dot-name d//a.x", "directory ./", "dot-name ./", "slash-keys d//a.x"}},
	{append(names("%d.x", 20), long+".x"), []string{"extended-header " + long + ".x", "long-name " + long + ".x"}},
	{append(names("%d.x", 20), long[:100]+"/"+long[:100]+"/"+long[:100]+".x"),
		[]string{"extended-header " + long[:100] + "/" + long[:100] + "/" + long[:100] + ".x",
			"slash-keys " + long[:100] + "/" + long[:100] + "/" + long[:100] + ".x"}},
	{append(names("%d.x", 90), strings.Repeat("long/", 820)+"k.x"), []string{
		"extended-header " + strings.Repeat("long/", 820) + "k.x", "long-key " + strings.Repeat("long/",
			820) + "k.x",
		"slash-keys " + strings.Repeat("long/", 820) + "k.x"}},
	{[]string{"a.x", "d/b.x", "e.f/c.x"}, []string{"slash-keys d/b.x"}},
	{[]string{"a.x!", "b.x!", "c.x"}, []string{"extended-header a.x", "extended-header b.x", "extended-headers"}},
	{[]string{"a.x!", "b.x", "c.x"}, []string{"extended-header a.x"}},
	{[]string{"a.x!", "b.x!", strings.Repeat("c", 100) + ".x", "c.x!"}, []string{"extended-header a.x",
		"extended-header b.x", "extended-header " + strings.Repeat("c", 100) + ".x", "extended-header c.x",
		"extended-headers"}},
}

func TestMembers(t *testing.T) {
	for _, tt := range members {
		found, err := look(makeTar(t, tt.tar...))
		if got := outline(found); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%.200q: %q, %v, want %q", tt.tar, got, err, tt.want)
		}
	}
}

// The shards of a Checker are one dataset.
func TestShards(t *testing.T) {
	first, second := makeTar(t, "a.jpg", "b.jpg"), makeTar(t, "c.jpg", "b.jpg", "A.jpg", "b.cls")
	found, err := look(first, second, first)
	want := []string{
		"key-in-two-shards b.jpg", "case-collision A.jpg", "key-returns b.cls", "fields-differ",
		"key-in-two-shards a.jpg", "key-in-two-shards b.jpg",
	}
	if got := outline(found); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%q, %v, want %q", got, err, want)
	}
	for i, name := range map[int]string{0: "0.tar", 4: "0.tar", 5: "1.tar"} {
		if f := found[i]; !strings.Contains(f.Message, " in "+name+" too") {
			t.Errorf("%+v, want %s", f, name)
		}
	}
	if f := found[0]; f.Key != "b" || f.Offset != 1024 {
		t.Errorf("%+v", f)
	}
	if found, _ := look(first, makeTar(t, "c.jpg", "d.jpg")); len(found) > 0 {
		t.Errorf("%q", outline(found))
	}
}

func TestTail(t *testing.T) {
	a := makeTar(t, "a.x")
	for _, tt := range []struct {
		rest string
		want []string
		at   int64
	}{
		{"", nil, 0},
		{"\x00", nil, 0},
		{strings.Repeat("\x00", 100_000), nil, 0},
		{string(a), []string{"second-tar"}, 2048},
		{strings.Repeat("\x00", 8192) + string(a), []string{"second-tar"}, 2048 + 8192},
		{string(a[:1500]), []string{"second-tar"}, 2048},
		{"garbage", []string{"bytes-behind"}, 2048},
		{strings.Repeat("\x00", 512) + strings.Repeat("garbage", 1000), []string{"bytes-behind"}, 2560},
		{string(a[:500]), []string{"bytes-behind"}, 2048},
	} {
		found, err := look(append(slices.Clone(a), tt.rest...))
		got := outline(found)
		if err != nil || !slices.Equal(got, tt.want) || len(found) > 0 && found[0].Offset != tt.at {
			t.Errorf("%.20q: %+v, %v, want %q at byte %d", tt.rest, found, err, tt.want, tt.at)
		}
	}
}

func TestDamage(t *testing.T) {
	whole := makeTar(t, "a.x", "b.x")
	broken := slices.Clone(whole)
	broken[1024] = 'x'
	for _, tt := range []struct {
		name     string
		plain    []byte
		want     string
		mayBeCut string // the finding instead if the shard may be cut
		at       int64
	}{
		{"nothing", nil, "not-tar", "not-tar", 0},
		{"a text", bytes.Repeat([]byte("text"), 1000), "not-tar", "not-tar", 0},
		{"a header that is wrong", broken, "damaged a.x", "damaged a.x", 1024},
		{"cut in the first member", whole[:600], "truncated", "truncated", 0},
		{"cut in a header", whole[:1300], "truncated a.x", "cut a.x", 1024},
		{"cut in a member", whole[:1600], "truncated a.x", "cut a.x", 1024},
		{"cut after a member", whole[:2048], "truncated b.x", "cut b.x", 2048},
		{"one end block", whole[:2560], "truncated b.x", "cut b.x", 2048},
	} {
		for mayBeCut, want := range map[bool]string{false: tt.want, true: tt.mayBeCut} {
			var found []Finding
			s := New(func(f Finding) error {
				found = append(found, f)
				return nil
			}).Open("a.tar")
			err := s.Read(bytes.NewReader(tt.plain))
			if err == nil {
				t.Errorf("%s: no error", tt.name)
				continue
			}
			s.Damaged(err, mayBeCut)
			if got := outline(found); !slices.Equal(got, []string{want}) || found[0].Offset != tt.at ||
				!strings.HasPrefix(found[0].Message, err.Error()) {
				t.Errorf("%s: %+v, %v, want %s at byte %d", tt.name, found, err, want, tt.at)
			}
		}
	}
}

func TestCompression(t *testing.T) {
	a := makeTar(t, "a.x", "b.x") // 2048 bytes before the end marker
	for _, tt := range []struct {
		format   string
		extra    bool
		firstEnd int64
		trailing int64
		want     []string
	}{
		{"gzip", false, 3072, 0, []string{"compressed"}},
		{"gzip", false, 2048, 0, []string{"compressed"}}, // the rest is zeros
		{"gzip", false, 2047, 0, []string{"compressed", "several-members"}},
		{"gzip", true, 3072, 0, []string{"compressed", "extra-field"}},
		{"bzip2", false, 1024, 0, []string{"compressed", "several-members"}},
		{"xz", false, 0, 0, []string{"compressed", "empty-stream"}},
		{"bzip2", false, 3072, 9, []string{"compressed", "bytes-behind"}},
		{"zstd", false, 1024, 0, []string{"compression"}},
		{"lz4", false, 3072, 0, []string{"compression"}},
	} {
		var found []Finding
		s := New(func(f Finding) error {
			found = append(found, f)
			return nil
		}).Open("a.tar")
		s.Compressed(tt.format, tt.extra, false)
		if err := s.Read(bytes.NewReader(a)); err != nil {
			t.Fatal(err)
		}
		s.Decoded(tt.firstEnd, tt.trailing)
		if got := outline(found); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// An error of reading is not a finding, and an error of the function that gets the findings ends everything.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	a := makeTar(t, "a.X", "b.X")
	for n := range len(a) {
		if n%100 != 0 {
			continue
		}
		var found []Finding
		s := New(func(f Finding) error {
			found = append(found, f)
			return nil
		}).Open("a.tar")
		err := s.Read(io.MultiReader(bytes.NewReader(a[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	calls := 0
	c := New(func(f Finding) error {
		calls++
		return broken
	})
	for range 2 {
		if err := c.Open("a.tar").Read(bytes.NewReader(a)); err != broken || calls != 1 {
			t.Errorf("%v after %d findings", err, calls)
		}
	}
}

// Every code is in a table here.
func TestCodes(t *testing.T) {
	known := map[Code]bool{ // by other tests than TestMembers
		NotTar: true, Truncated: true, Damaged: true, Compression: true, SeveralMembers: true, ExtraField: true,
		SecondTar: true, EmptyStream: true, PythonStops: true, PythonFails: true, PythonDiffers: true,
		GoFails:   true,
		GoDiffers: true, DanglingHeader: true, Huge: true, OldHeader: true, SplitName: true, UnendedSize: true,
		Contiguous: true, ShardName: true, ShardNameTwice: true, BadText: true, BadNumber: true, BadJSON: true,
		BadPicture: true, BadArray: true, BadPickle: true, BadGzip: true, JSONDiffers: true,
		Cut: true, BytesAfterEnd: true, Compressed: true, KeyInTwoShards: true, Sparse: true,
	}
	for _, tt := range members {
		for _, line := range tt.want {
			code, _, _ := strings.Cut(line, " ")
			known[Code(code)] = true
		}
	}
	for code := range rules {
		if !known[code] {
			t.Errorf("%s is in no table", code)
		}
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"a.b-1", "a.b-1"},
		{"JPG", "jpg"},
		{"É\xff", "é\xff"},
		{"\xff\xfe", "\xff\xfe"},
		{"A\ufffd\xffB", "a\ufffd\xffb"},
	} {
		if got := fold(tt.text); got != tt.want {
			t.Errorf("fold(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A key needs memory for its hash and a map entry only.
func TestMemoryOfKeys(t *testing.T) {
	const n = 1 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	k := newKeySet(maphash.MakeSeed())
	for i := range n {
		if _, known := k.add(fmt.Sprintf("a/long/directory/n03788365_%08d", i), "jpg", 0); known != newKey {
			t.Fatalf("key %d is known", i)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 40 {
		t.Errorf("%d bytes a key", each)
	}
	runtime.KeepAlive(k)
}

// The content of members is skipped if the reader can seek.
func TestReadsHeadersOnly(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names("%d.x", 20) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plain := b.Bytes()
	r := &countingReader{ReadSeeker: bytes.NewReader(plain)}
	found := 0
	s := New(func(f Finding) error { found++; return nil }).Open("a.tar")
	if err := s.Read(r); err != nil || found > 0 || s.Samples() != 20 {
		t.Fatalf("%v, %d findings in %d samples", err, found, s.Samples())
	}
	if r.n > 1<<20 {
		t.Errorf("%d bytes read of %d", r.n, len(plain))
	}
}

// countingReader counts the bytes that are read.
type countingReader struct {
	io.ReadSeeker
	n int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	r.n += n
	return n, err
}

func BenchmarkShard(b *testing.B) {
	plain := makeTar(b, names("n03788365_%05d.jpg", 10000)...)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if found, err := look(plain); err != nil || len(found) > 0 {
			b.Fatal(found, err)
		}
	}
}

// Arbitrary bytes do no harm, and every finding is about a place in them.
func FuzzShard(f *testing.F) {
	for _, tt := range members {
		if len(tt.tar) < 20 {
			f.Add(makeTar(f, tt.tar...))
		}
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		found, err := look(plain)
		for _, finding := range found {
			if finding.Offset > int64(len(plain)) || rules[finding.Code].meaning == "" {
				t.Errorf("%+v", finding)
			}
		}
		if _, buildErr := index.Build(bytes.NewReader(plain),
			index.BuildOptions{}); (buildErr == nil) != (err == nil) {
			t.Errorf("%v, for Build %v", err, buildErr)
		}
	})
}
