package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestBuildGroups(t *testing.T) {
	long := strings.Repeat("k", 300)
	for _, tt := range []struct {
		story string
		names []string
		want  []string
	}{
		{"nothing", nil, nil},
		{"one sample", []string{"a.jpg", "a.cls"}, []string{"a: sample.jpg sample.cls"}},
		{"consecutive members, not sorted ones", []string{"b.z", "b.a", "a.z"},
			[]string{"b: sample.z sample.a", "a: sample.z"}},
		{"entries outside samples do not end one",
			[]string{"a.1", "README", "d/", "a.x->", "a.x=>", "a.x|", "a.x#", "__meta__/a.x", ".a.x", "*", "a.2"},
			[]string{"a: sample.1 sample.2 +9"}},
		{"entries around samples are in none", []string{"d/", "a.1", "README", "b.1", "e/"},
			[]string{"a: sample.1", "b: sample.1"}},
		{"no sample", []string{"d/", "README", "*"}, nil},
		{"a link's key does not begin a sample", []string{"a.1", "b.1->", "a.2"}, []string{"a: sample.1 sample.2 +1"}},
		{"a key that comes back", []string{"a.1", "b.1", "a.1", "c.1", "a.1"},
			[]string{"a: sample.1", "b: sample.1", `a~2: sample.1 = "a"`, "c: sample.1", `a~3: sample.1 = "a"`}},
		{"an extension that comes back", []string{"a.x", "a.x", "a.y", "a.x"},
			[]string{"a: sample.x sample~2.x sample.y sample~3.x"}},
		{"cases are different", []string{"a.x", "a.X", "A.x"}, []string{"a: sample.x sample.X", "A: sample.x"}},
		{"hidden files of a directory", []string{"d/.a.x", "d/.b.x"}, []string{`d/%: sample.a.x sample.b.x = "d/"`}},
		{"a directory of one name", []string{"a.x", "a/b.x", "a/b/c.x"},
			[]string{"a: sample.x", "a/b: sample.x", "a/b/c: sample.x"}},
		{"a directory before its sample", []string{"a/b.x", "a.x"}, []string{"a/b: sample.x", "a: sample.x"}},
		{"odd components", []string{"./a.x", "../a.x", "/a.x", "d//a.x"},
			[]string{`%2E/a: sample.x = "./a"`, `%2E%2E/a: sample.x = "../a"`, `%/a: sample.x = "/a"`,
				`d/%/a: sample.x = "d//a"`}},
		{"names of a sample's own files", []string{"a.__key__", "a.__source__", "a/__key__.x", "a/sample.x/c.y", "a.x"},
			[]string{"a: sample.__key__ sample.__source__", `a/%5F_key__: sample.x = "a/__key__"`,
				`a/%73ample.x/c: sample.y = "a/sample.x/c"`, `a~2: sample.x = "a"`}},
		{"long names", []string{"d/" + long + ".x", "d/" + long + ".y"},
			[]string{"d/" + fit(long) + `: sample.x sample.y = "d/` + long + `"`}},
	} {
		x := build(t, makeTar(t, tt.names...))
		if got := outline(x); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.story, got, tt.want)
		}
		if x.Rows() != len(tt.names) {
			t.Errorf("%s: %d rows, want %d", tt.story, x.Rows(), len(tt.names))
		}
	}
}

// A sample with many members counts its extensions in another way than one with few.
func TestBuildCountsExtensions(t *testing.T) {
	var names, want []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("a.%d", i%7))
		want = append(want, numbered("sample", i/7+1)+fmt.Sprintf(".%d", i%7))
	}
	names = append(names, "b.1", "b.1")
	for range 50 {
		names = append(names, "c.1")
	}
	x := indexOf(t, names...)
	for row, want := range want {
		if got := x.FileName(row); got != want {
			t.Errorf("row %d is %s, want %s", row, got, want)
		}
	}
	if got := outline(x)[1]; got != "b: sample.1 sample~2.1" {
		t.Errorf("the next sample is %s", got)
	}
	if got := x.FileName(x.Rows() - 1); got != "sample~50.1" {
		t.Errorf("the last one is %s", got)
	}
	counts := x.Extensions()
	if len(counts) != 7 || counts["0"] != 15 || counts["1"] != 15+2+50 || counts["6"] != 14 {
		t.Errorf("extensions: %v", counts)
	}
	// Names of a scanner's entries live only until the next one.
	x = build(t, makeTar(t, "a.x", "long.yy", "a.yy", "longer.x", "l.x", "lon.yy"))
	if counts := x.Extensions(); len(counts) != 2 || counts["x"] != 3 || counts["yy"] != 3 || x.c.exts.ends.n != 2 {
		t.Errorf("extensions: %v, %q", counts, x.c.exts.all.b)
	}
}

func TestBuildOutside(t *testing.T) {
	names := []string{"*", "d/", "a.x", "README", "a.y", "l.x->"}
	x := build(t, makeTar(t, names...))
	if x.Outside() != 4 {
		t.Errorf("%d outside samples, want 4", x.Outside())
	}
	for row, want := range []string{"", "d/", "", "README", "", "l.x"} {
		if got := x.OutsideName(row); got != want {
			t.Errorf("name of row %d is %q, want %q", row, got, want)
		}
	}
}

// cutTar is a tar of 20 members and no padding to a record: two end blocks and nothing after them. Others are
// entries to be put between members.
func cutTar(t testing.TB, others ...string) []byte {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("%02d.%s", i/3, strings.Repeat("x", 1+i%3)))
	}
	names = slices.Insert(names, 4, others...)
	return makeTar(t, names...)
}

// Wherever a tar is cut, Build returns an error and the whole samples before the cut.
func TestBuildTruncated(t *testing.T) {
	t.Parallel()
	for _, others := range [][]string{nil, {"README", "d/", "*", strings.Repeat("long/", 60) + "name"}} {
		plain := cutTar(t, others...)
		whole := build(t, plain)
		cuts := 0
		for at := 1; at < len(plain); at++ {
			if at%BlockSize > 1 && at%(5*BlockSize) != 200 {
				continue // every block, a byte into every block, and some places in the middle
			}
			cuts++
			x, err := Build(bytes.NewReader(plain[:at]), BuildOptions{Concurrent: true})
			checkTruncated(t, plain, whole, at, x, err)
			for _, r := range readers(plain[:at]) {
				if x, readErr := Build(r, BuildOptions{Concurrent: true}); fmt.Sprint(err) != fmt.Sprint(readErr) {
					t.Errorf("cut at byte %d: %v, and by seeking %v", at, readErr, err)
				} else {
					checkTruncated(t, plain, whole, at, x, readErr)
				}
			}
		}
		if cuts < 74 {
			t.Errorf("only %d cuts", cuts)
		}
	}
}

// readers returns readers of a tar that cannot seek, and that return more or less at a time.
func readers(plain []byte) []io.Reader {
	return []io.Reader{
		io.MultiReader(bytes.NewReader(plain)),
		iotest.OneByteReader(bytes.NewReader(plain)),
		pieceReader{bytes.NewReader(plain)},
	}
}

// pieceReader returns at most 700 bytes at a time.
type pieceReader struct{ r io.Reader }

func (r pieceReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), 700)]) }

func checkTruncated(t *testing.T, plain []byte, whole *Index, at int, x *Index, err error) {
	t.Helper()
	if at < BlockSize {
		if !errors.Is(err, ErrNotTar) {
			t.Errorf("cut at byte %d: %v, want %v", at, err, ErrNotTar)
		}
		return
	}
	if !errors.Is(err, ErrTruncated) {
		t.Errorf("cut at byte %d: %v, want %v", at, err, ErrTruncated)
		return
	}
	// The error names the first member that is not whole, or the last one if the end marker is missing.
	row := 0
	for row < whole.Rows() && whole.Member(row).End <= int64(at) {
		row++
	}
	text := err.Error()
	if !strings.Contains(text, fmt.Sprintf("member %d ", max(row-1, 0))) &&
		!strings.Contains(text, fmt.Sprintf("member %d ", row)) &&
		!strings.Contains(text, fmt.Sprintf("member %d,", row-1)) {
		t.Errorf("cut at byte %d: %v, want member %d named", at, err, row)
	}
	if !strings.Contains(text, fmt.Sprintf(" %d", at)) &&
		!strings.Contains(text, fmt.Sprintf(" %d", at&^(BlockSize-1))) {
		t.Errorf("cut at byte %d: %v, want that byte or its block named", at, err)
	}
	// A sample is included if its last member is known to be the last: a header of another sample or an end block
	// follows.
	samples := 0
	for number := range whole.Samples() {
		known := whole.End() + BlockSize
		if number+1 < whole.Samples() {
			known = whole.Member(whole.Sample(number + 1).Start).Data
		}
		if known <= int64(at) {
			samples++
		}
	}
	if got, want := outline(x), outline(whole)[:samples]; !slices.Equal(got, want) {
		t.Errorf("cut at byte %d: %q, want %q", at, got, want)
	}
	checkOffsets(t, x, int64(at))
	if text := string(plain[:x.End()]); text != string(plain[:whole.Offset(x.Rows())]) {
		t.Errorf("cut at byte %d: the index ends at byte %d, want %d", at, x.End(), whole.Offset(x.Rows()))
	}
}

// checkOffsets checks that the rows of an index follow one another within a tar of this size.
func checkOffsets(t testing.TB, x *Index, size int64) {
	t.Helper()
	var at int64
	for row := range x.Rows() {
		m := x.Member(row)
		if m.Header != at || m.Data < m.Header+BlockSize || m.Size < 0 || m.Data > m.End {
			t.Fatalf("row %d is at %+v, the row before ends at byte %d", row, m, at)
		}
		if _, sparse := x.c.sparseRow.find(uint64(row)); !sparse && m.Data+m.Size > m.End {
			t.Fatalf("row %d is at %+v, which is too short", row, m)
		}
		if data, size := x.Content(row); data != m.Data || size != m.Size || x.Offset(row) != m.Header {
			t.Fatalf("row %d is at %+v, Content returns %d, %d", row, m, data, size)
		}
		at = m.End
	}
	if x.End() != at || at > size {
		t.Fatalf("the index ends at byte %d, its last row at %d, the tar at %d", x.End(), at, size)
	}
}

// A single end block proves that no member is missing, but not that the writer has finished.
func TestBuildOneEndBlock(t *testing.T) {
	plain := cutTar(t)
	for _, tt := range []struct {
		story string
		plain []byte
		want  error
	}{
		{"nothing after it", plain[:len(plain)-BlockSize], ErrTruncated},
		{"half a block after it", plain[:len(plain)-BlockSize/2], ErrTruncated},
		{"something else after it", append(bytes.Clone(plain[:len(plain)-BlockSize]), plain[:BlockSize]...),
			ErrDamaged},
	} {
		x, err := Build(bytes.NewReader(tt.plain), BuildOptions{Concurrent: true})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.story, err, tt.want)
		}
		if got, want := outline(x), outline(build(t, plain)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tt.story, got, want)
		}
	}
}

// Bytes after the end marker are ignored.
func TestBuildTrailing(t *testing.T) {
	plain := cutTar(t)
	want := outline(build(t, plain))
	for _, trailing := range []string{"\x00", "x", strings.Repeat("\x00", 9*BlockSize), string(plain)} {
		if got := outline(build(t, append(bytes.Clone(plain), trailing...))); !slices.Equal(got, want) {
			t.Errorf("with %d bytes after the end: %q, want %q", len(trailing), got, want)
		}
	}
}

// The error for a damaged header has its place, and the samples before it are included.
func TestBuildDamaged(t *testing.T) {
	plain := cutTar(t)
	whole := build(t, plain)
	for row := range whole.Rows() {
		broken := bytes.Clone(plain)
		broken[whole.Offset(row)+10] ^= 1
		x, err := Build(bytes.NewReader(broken), BuildOptions{Concurrent: true})
		if row == 0 {
			if !errors.Is(err, ErrNotTar) || x.Samples() != 0 {
				t.Errorf("first header damaged: %v, want %v", err, ErrNotTar)
			}
			continue
		}
		where := fmt.Sprintf("member %d at byte %d: ", row, whole.Offset(row))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), where) {
			t.Errorf("header %d damaged: %v, want %q", row, err, where)
		}
		if got, want := outline(x), outline(whole)[:whole.SampleOfRow(row-1)]; !slices.Equal(got, want) {
			t.Errorf("header %d damaged: %q, want %q", row, got, want)
		}
		checkOffsets(t, x, int64(len(plain)))
	}
}

// A read error is returned unchanged, and does not count as damage.
func TestBuildReadError(t *testing.T) {
	plain := cutTar(t)
	broken := errors.New("broken cable")
	for _, at := range []int{0, 100, BlockSize, 10 * BlockSize} {
		_, err := Build(io.MultiReader(bytes.NewReader(plain[:at]), errReader{broken}), BuildOptions{Concurrent: true})
		if !errors.Is(err, broken) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrDamaged) ||
			errors.Is(err, ErrNotTar) {
			t.Errorf("read error at byte %d: %v, want %v", at, err, broken)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// Looking up the key of a member, as every check of a member does, takes about as long with many entries between
// samples as without.
func TestKeyBeforeManyOutside(t *testing.T) {
	const n = 20000
	best := func(outside int64) time.Duration {
		var b Builder
		for row := range n + outside {
			at := row * BlockSize
			e := Entry{Name: []byte("k.x"), Header: at, Data: at + BlockSize, End: at + BlockSize, Regular: row < n}
			if err := b.Add(&e); err != nil {
				t.Fatal(err)
			}
		}
		x := b.Finish((n + outside) * BlockSize)
		shortest := time.Duration(math.MaxInt64)
		for range 5 { // other processes may disturb one measurement
			begun := time.Now()
			for row := range n {
				if x.Key(x.SampleOfRow(row)) != "k" {
					t.Fatal("another key")
				}
			}
			shortest = min(shortest, time.Since(begun))
		}
		return shortest
	}
	if with, without := best(n), best(0); with > 50*without {
		t.Errorf("%d keys took %v, and %v with nothing between samples", n, with, without)
	}
}
