package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// gnuSparse returns an old GNU sparse member "s" of these extents, with all the blocks that its map needs.
func gnuSparse(size, stored int64, content string, extents ...Extent) []byte {
	fill := func(b block, room int) {
		for i := range min(room, len(extents)) {
			strconv.AppendInt(b[24*i:24*i], extents[i].Off, 8)
			strconv.AppendInt(b[24*i+12:24*i+12], extents[i].Len, 8)
		}
		extents = extents[min(room, len(extents)):]
	}
	more := func() byte { return byte(min(len(extents), 1)) }
	tar := rawHeader(typeGNUSparse, "s", stored, func(b block) {
		copy(b[257:], "ustar  \x00")
		fill(b[386:482], 4)
		b[482] = more()
		copy(b[483:], fmt.Sprintf("%011o\x00", size))
	})
	for len(extents) > 0 {
		b := make(block, BlockSize)
		fill(b, 21)
		b[504] = more()
		tar = append(tar, b...)
	}
	tar = append(tar, content...)
	return append(tar, make([]byte, -len(tar)&(BlockSize-1))...)
}

// paxSparse10 returns a sparse member "s" of PAX format 1.0, with the given total length of map and content.
func paxSparse10(size, stored int64, text, content string) []byte {
	text += strings.Repeat("\x00", -len(text)&(BlockSize-1))
	tar := pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=s",
		fmt.Sprintf("GNU.sparse.realsize=%d", size))
	tar = append(tar, rawHeader(typeRegular, "GNUSparseFile.0/s", stored)...)
	tar = append(tar, text+content...)
	return append(tar, make([]byte, -len(tar)&(BlockSize-1))...)
}

// paxSparse0 returns a sparse member with these records, given without their common prefix.
func paxSparse0(content string, records ...string) []byte {
	for i := range records {
		records[i] = "GNU.sparse." + records[i]
	}
	return append(pax(records...), rawMember(typeRegular, "s", content)...)
}

// TestSparse reads sparse members made by hand, and archive/tar reads those that a Scanner takes.
func TestSparse(t *testing.T) {
	field := func(at int, text string) []byte {
		b := block(gnuSparse(9, 3, "abc", Extent{0, 3}))
		copy(b[at:], text)
		sign(b[:BlockSize])
		return b
	}
	const minus = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	const huge = "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"
	for _, tt := range []struct {
		story string
		tar   []byte
		want  string // name, stored bytes, extents and content; or the end of an error
	}{
		{"old GNU", gnuSparse(9, 3, "abc", Extent{2, 2}, Extent{6, 1}, Extent{9, 0}),
			`s 3 [{2 2} {6 1}] "\x00\x00ab\x00\x00c\x00\x00"`},
		{"old GNU with more blocks", gnuSparse(60, 30, strings.Repeat("abc", 10), every(2, 30)...),
			fmt.Sprintf(`s 30 %v %q`,
				every(2, 30), strings.Repeat("a\x00b\x00c\x00", 10))},
		{"extents that touch are one", gnuSparse(9, 3, "abc", Extent{2, 1}, Extent{3, 0}, Extent{3, 2}),
			`s 3 [{2 3}] "\x00\x00abc\x00\x00\x00\x00"`},
		{"nothing but a hole", gnuSparse(4, 0, ""), `s 0 [] "\x00\x00\x00\x00"`},
		{"no hole", gnuSparse(3, 3, "abc", Extent{0, 1}, Extent{1, 2}, Extent{3, 0}), `s 3 none "abc"`},
		{"nothing at all", gnuSparse(0, 0, ""), `s 0 none ""`},
		{"0.0", paxSparse0("abc", "size=9", "numblocks=2", "offset=2", "numbytes=2", "offset=6", "numbytes=1"),
			`s 3 [{2 2} {6 1}] "\x00\x00ab\x00\x00c\x00\x00"`},
		{"0.1", paxSparse0("abc", "major=0", "minor=1", "name=dir/\xff", "size=9", "numblocks=2", "map=2,2,6,1"),
			`dir/` +
				"\xff" + ` 3 [{2 2} {6 1}] "\x00\x00ab\x00\x00c\x00\x00"`},
		{"0.1 without a hole", paxSparse0("abc", "major=0", "minor=0", "size=3", "numblocks=1", "map=0,3"),
			`s 3 none "abc"`},
		{"0.1 of nothing", paxSparse0("", "major=0", "minor=1", "size=3", "numblocks=0"), `s 0 [] "\x00\x00\x00"`},
		{"records of 0.0 are stronger than a map",
			paxSparse0("a", "map=9,9", "size=3", "numblocks=1", "offset=1", "numbytes=1", "map=8,8"),
			`s 1 [{1 1}] "\x00a\x00"`},
		{"size is stronger than realsize", paxSparse0("a", "realsize=9", "size=3", "numblocks=1", "map=1,1"),
			`s 1 [{1 1}] "\x00a\x00"`},
		{"a name is stronger than a path",
			slices.Concat(rawMember(typeGNULongName, "L", "long"),
				paxSparse0("a", "name=n", "size=3", "numblocks=1", "map=1,1")), `n 1 [{1 1}] "\x00a\x00"`},
		{"1.0", paxSparse10(9, 515, "2\n2\n2\n6\n1\n", "abc"), `s 3 [{2 2} {6 1}] "\x00\x00ab\x00\x00c\x00\x00"`},
		{"1.0 without a hole", paxSparse10(3, 515, "1\n0\n3\n", "abc"), `s 3 none "abc"`},
		{"1.0 of nothing", paxSparse10(4, 512, "0\n", ""), `s 0 [] "\x00\x00\x00\x00"`},
		{"1.0 over a block's end", paxSparse10(9, 1027, "2\n2\n2\n"+strings.Repeat("0", 505)+"6\n1\n", "abc"),
			`s 3 [{2 2} {6 1}] "\x00\x00ab\x00\x00c\x00\x00"`},
		{"1.0 to a block's end", paxSparse10(9, 515, "2\n2\n2\n6\n"+strings.Repeat("0", 502)+"1\n", "abc"),
			`s 3 [{2 2} {6 1}] "\x00\x00ab\x00\x00c\x00\x00"`},

		{"old GNU of another dialect", rawMember(typeGNUSparse, "s", ""), "bad sparse map"},
		{"old GNU that is not ascending", gnuSparse(9, 3, "abc", Extent{6, 1}, Extent{2, 2}), "bad sparse map"},
		{"old GNU that overlaps", gnuSparse(9, 3, "abc", Extent{2, 2}, Extent{3, 1}), "bad sparse map"},
		{"old GNU beyond its size", gnuSparse(9, 3, "abc", Extent{7, 3}),
			"bad sparse map: 3 bytes up to 10, where 3 of 9 are stored"},
		{"old GNU with less in its map", gnuSparse(9, 3, "abc", Extent{6, 2}),
			"bad sparse map: 2 bytes up to 8, where 3 of 9 are stored"},
		{"old GNU with more in its map", gnuSparse(9, 3, "abc", Extent{0, 4}),
			"bad sparse map: 4 bytes up to 4, where 3 of 9 are stored"},
		{"a negative offset", field(386, minus), "bad sparse map"},
		{"a negative length", field(398, minus), "bad sparse map"},
		{"a negative length that makes the sum right", field(398, "00000000005\x0000000000005\x00"+minus[1:]+"\xfe"),
			"bad sparse map"},
		{"a negative size", field(483, minus), "bad sparse map: 3 bytes up to 3, where 3 of -1 are stored"},
		{"a length beyond all", field(398, huge),
			"bad sparse map: 9223372036854775807 bytes up to 9223372036854775807, where 3 of 9 are stored"},
		{"offset and length beyond all", field(386, huge+huge), "bad sparse map"},
		{"an offset that is no number", field(386, "8"), "bad sparse map"},
		{"a length that is no number", field(398, "x"), "bad sparse map"},
		{"a size that is no number", field(483, "x"), "bad sparse map"},
		{"no number of extents", paxSparse0("a", "size=3", "map=1,1"), "bad sparse map"},
		{"another number of extents", paxSparse0("a", "size=3", "numblocks=2", "map=1,1"), "bad sparse map"},
		{"half an extent", paxSparse0("a", "size=3", "numblocks=1", "map=1,1,2"), "bad sparse map"},
		{"a comma too many", paxSparse0("a", "size=3", "numblocks=1", "map=1,1,"), "bad sparse map"},
		{"a signed offset", paxSparse0("a", "size=3", "numblocks=1", "map=-1,1"), "bad sparse map"},
		{"an offset of more than 63 bits", paxSparse0("a", "size=3", "numblocks=1", "map=9223372036854775808,1"),
			"bad sparse map"},
		{"a sum of more than 63 bits", paxSparse0("a", "size=3", "numblocks=1", "map=9223372036854775807,1"),
			"bad sparse map"},
		{"0.1 beyond its size", paxSparse0("abc", "size=3", "numblocks=1", "map=1,3"),
			"bad sparse map: 3 bytes up to 4, where 3 of 3 are stored"},
		{"0.1 with a size that is no number", paxSparse0("a", "size=x", "numblocks=1", "map=1,1"), "bad sparse map"},
		{"0.1 with a negative size", paxSparse0("a", "size=-3", "numblocks=1", "map=1,1"), "bad sparse map"},
		{"0.0 out of turn", paxSparse0("a", "size=3", "numblocks=1", "numbytes=1", "offset=1"),
			"extended header GNU.sparse.numbytes: bad sparse map"},
		{"0.0 with a comma", paxSparse0("a", "size=3", "numblocks=1", "offset=1,1", "numbytes=1"),
			"extended header GNU.sparse.offset: bad sparse map"},
		{"0.0 with half an extent", paxSparse0("a", "size=3", "numblocks=1", "offset=1"), "bad sparse map"},
		{"a NUL in a name", paxSparse0("a", "name=a\x00b"), "extended header GNU.sparse.name: not a tar header"},
		{"1.0 without a map", paxSparse10(9, 3, "", "abc"), "bad sparse map"},
		{"1.0 with a map larger than itself",
			paxSparse10(9, 1000, "2\n2\n2\n"+strings.Repeat("0", 600)+"6\n1\n", "abc"),
			"bad sparse map"},
		{"1.0 with an empty line", paxSparse10(9, 515, "1\n\n3\n", "abc"), "bad sparse map"},
		{"1.0 that is no number", paxSparse10(9, 515, "1\n0x3\n3\n", "abc"), "bad sparse map"},
		{"1.0 that overlaps", paxSparse10(9, 515, "2\n2\n2\n3\n1\n", "abc"), "bad sparse map"},
		{"1.0 with less in its map", paxSparse10(9, 515, "1\n2\n2\n", "abc"),
			"bad sparse map: 2 bytes up to 4, where 3 of 9 are stored"},
		{"1.0 with too few lines", paxSparse10(9, 515, "2\n0\n3\n", "abc"), "bad sparse map"},
		{"1.0 with a count of more than 63 bits", paxSparse10(9, 515, "9223372036854775808\n0\n3\n", "abc"),
			"bad sparse map"},
		{"1.0 with a count of 63 bits", paxSparse10(9, 515, "9223372036854775807\n0\n3\n", "abc"),
			"bad sparse map: 9223372036854775807 extents"},
		{"1.0 over the limit", paxSparse10(9, 515, "1048577\n0\n3\n", "abc"), "bad sparse map: 1048577 extents"},
	} {
		plain := slices.Concat(tt.tar, rawMember(typeRegular, "next", "12345"), make([]byte, 2*BlockSize))
		for _, r := range []io.Reader{bytes.NewReader(plain), io.MultiReader(bytes.NewReader(plain))} {
			s := NewScanner(r)
			e, err := s.Next()
			if err != nil {
				if !strings.HasSuffix(err.Error(), tt.want) || !errors.Is(err, ErrDamaged) &&
					!errors.Is(err, ErrNotTar) {
					t.Errorf("%s: %v, want %s", tt.story, err, tt.want)
				}
				continue
			}
			extents := "none"
			if e.Sparse != nil {
				extents = fmt.Sprint(e.Sparse)
			}
			content, err := contentOf(plain, e)
			if err != nil || int64(len(content)) != e.Size || !e.Regular {
				t.Errorf("%s: %d bytes of content, %v, want %d; regular: %v", tt.story, len(content), err,
					e.Size, e.Regular)
			}
			if got := fmt.Sprintf("%s %d %s %q", e.Name, e.Stored, extents, content); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.story, got, tt.want)
			}
			if e, err := s.Next(); err != nil || string(e.Name) != "next" || e.Sparse != nil || e.Stored != 5 ||
				e.Header != int64(len(tt.tar)) {
				t.Errorf("%s: the next entry is %+v, %v", tt.story, e, err)
			}
		}
		if _, err := NewScanner(bytes.NewReader(plain)).Next(); err == nil {
			checkSame(t, plain)
		}
	}
}

// every returns n extents of a byte each, one at each multiple of step.
func every(step int64, n int) []Extent {
	extents := make([]Extent, n)
	for i := range extents {
		extents[i] = Extent{int64(i) * step, 1}
	}
	return extents
}

// A map with the largest number of extents needs little more memory than they do, and one that only claims to be long
// needs none.
func TestSparseMemory(t *testing.T) {
	lines := fmt.Appendln(nil, maxExtents)
	for i := range int64(maxExtents) {
		lines = append(strconv.AppendInt(lines, 2*i, 10), "\n1\n"...)
	}
	front := int64(len(lines)+BlockSize-1) / BlockSize * BlockSize
	content := strings.Repeat("x", maxExtents)
	for _, tt := range []struct {
		story  string
		tar    []byte
		want   error
		extent int
		memory uint64
	}{
		// They take 16 MiB, and all the smaller slices on the way there about five times that.
		{"as many as may be", paxSparse10(2*maxExtents, front+maxExtents, string(lines), content), nil, maxExtents,
			100 << 20},
		{"the same in headers", gnuSparse(2*maxExtents, maxExtents, content, every(2, maxExtents)...), nil, maxExtents,
			100 << 20},
		{"one more", gnuSparse(9, 0, "", make([]Extent, maxExtents+1)...), ErrNotTar, 0, 1 << 20},
		{"a forged map", paxSparse10(math.MaxInt64, 1<<60, "1048576\n"+strings.Repeat("0\n", 252), ""), ErrTruncated, 0,
			1 << 20},
		{"a forged extended header", rawHeader(typeExtended, "x", maxSpecial), ErrTruncated, 0, 512 << 10},
		{"a forged member", rawHeader(typeRegular, "x", 1<<60), ErrTruncated, 0, 512 << 10},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, err := NewScanner(io.MultiReader(bytes.NewReader(tt.tar))).Next()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, tt.want) || err == nil &&
			(len(e.Sparse) != tt.extent || e.Size != 2*maxExtents || e.End != int64(len(tt.tar))) {
			t.Errorf("%s: %v, %v", tt.story, e, err)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > tt.memory {
			t.Errorf("%s: %d bytes allocated, want at most %d", tt.story, allocated, tt.memory)
		}
	}
}

// Reads of sparse content at any offset return the same bytes as the expanded content.
func TestSparseReader(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewPCG(seed, seed))
	for range 100 {
		var extents []Extent
		var stored, content []byte
		base := random.Int64N(3)
		stored = append(stored, "???"[:base]...)
		for range random.IntN(6) {
			content = append(content, make([]byte, random.IntN(40))...)
			e := Extent{int64(len(content)), 1 + random.Int64N(40)}
			for range e.Len {
				c := byte(1 + random.IntN(255))
				content, stored = append(content, c), append(stored, c)
			}
			extents = append(extents, e)
		}
		content = append(content, make([]byte, random.IntN(40))...)
		stored = append(stored, '?')
		r := newSparseReader(bytes.NewReader(stored), base, extents, int64(len(content)))
		if err := iotest.TestReader(io.NewSectionReader(r, 0, int64(len(content))), content); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			off, p := random.IntN(len(content)+5), make([]byte, 1+random.IntN(60))
			for i := range p {
				p[i] = '!'
			}
			n, err := r.ReadAt(p, int64(off))
			want := content[min(off, len(content)):min(off+len(p), len(content))]
			if !bytes.Equal(p[:n], want) || (err == io.EOF) != (off+len(p) > len(content)) || err != nil &&
				err != io.EOF {
				t.Fatalf("extents %v of %d bytes: %d bytes at %d: %q, %v, want %q",
					extents, len(content), len(p), off, p[:n], err, want)
			}
		}
	}
}

func TestSparseReaderErrors(t *testing.T) {
	broken := errors.New("broken cable")
	for _, tt := range []struct {
		story   string
		stored  io.ReaderAt
		extents []Extent
		off     int64
		n       int
		want    error
	}{
		{"holes are read from nowhere", onlyEmpty{errReaderAt{broken}}, []Extent{{0, 5}, {15, 5}}, 5, 10, nil},
		{"an error in an extent", onlyEmpty{errReaderAt{broken}}, []Extent{{5, 5}}, 0, 5, broken},
		{"an error in a hole", errReaderAt{broken}, []Extent{{5, 5}}, 0, 0, broken},
		{"stored bytes that are missing are no zeros", strings.NewReader("abc"), []Extent{{5, 5}}, 0, 8,
			io.ErrUnexpectedEOF},
		{"a negative offset", strings.NewReader(""), nil, -1, 0, errSparse},
		{"extents out of order", strings.NewReader("abcdef"), []Extent{{2, 2}, {1, 1}}, 0, 4, errSparse},
	} {
		r := newSparseReader(tt.stored, 0, tt.extents, 20)
		if n, err := r.ReadAt(make([]byte, 10), tt.off); n != tt.n || !errors.Is(err, tt.want) {
			t.Errorf("%s: %d bytes, %v, want %d, %v", tt.story, n, err, tt.n, tt.want)
		}
	}
	huge := newSparseReader(strings.NewReader("abc"), 0, []Extent{{math.MaxInt64 - 5, 3}}, math.MaxInt64)
	p := make([]byte, 10)
	allocs := testing.AllocsPerRun(10, func() {
		if n, err := huge.ReadAt(p, math.MaxInt64-7); n != 7 || err != io.EOF ||
			string(p[:n]) != "\x00\x00abc\x00\x00" {
			t.Errorf("at the end of all: %q, %v", p[:n], err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a read", allocs)
	}
}

// Invalid extents can come from a forged index file. They give wrong bytes or an error, but do no harm.
func TestSparseReaderHostile(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	number := func() int64 {
		return []int64{0, 1, -1, 5, math.MaxInt64, math.MinInt64, random.Int64(), -random.Int64(),
			random.Int64N(20)}[random.IntN(9)]
	}
	for range 100_000 {
		extents := make([]Extent, random.IntN(4))
		for i := range extents {
			extents[i] = Extent{number(), number()}
		}
		p := make([]byte, 10)
		r := newSparseReader(strings.NewReader("abcdefghijklmnopqrst"), number(), extents, number())
		if n, err := r.ReadAt(p, number()); n < 0 || n > len(p) || n < len(p) && err == nil {
			t.Fatalf("extents %v: %d bytes, %v", extents, n, err)
		}
	}
}

type errReaderAt struct{ err error }

func (r errReaderAt) ReadAt(p []byte, off int64) (int, error) { return 0, r.err }

// Data finds the stored runs from any offset.
func TestData(t *testing.T) {
	plain := slices.Concat(
		gnuSparse(9, 3, "abc", Extent{2, 2}, Extent{6, 1}), gnuSparse(4, 0, ""), gnuSparse(3, 2, "ab", Extent{1, 2}),
		rawMember(typeRegular, "a.x", "text"), rawMember(typeRegular, "a.y", ""), make([]byte, 2*BlockSize))
	x, err := Build(bytes.NewReader(plain), BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !x.HasHoles() {
		t.Error("it has no holes")
	}
	for row, want := range [][]Extent{{{2, 2}, {6, 1}}, nil, {{1, 2}}, {{0, 4}}, nil} {
		_, size := x.Content(row)
		for off := range size + 2 {
			i := slices.IndexFunc(want, func(e Extent) bool { return e.end() > off })
			if e, ok := x.Data(row, off); ok != (i >= 0) || ok && e != want[i] {
				t.Errorf("row %d from %d: %v, %v, want %v", row, off, e, ok, want)
			}
		}
	}
}

// onlyEmpty is a reader whose empty reads succeed.
type onlyEmpty struct{ io.ReaderAt }

func (r onlyEmpty) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return r.ReaderAt.ReadAt(p, off)
}

// asked is a reader that only counts empty reads, and fails from one on.
type asked struct{ left int }

func (a *asked) ReadAt(p []byte, _ int64) (int, error) {
	if a.left--; a.left < 0 {
		return 0, errAsked
	}
	return len(p), nil
}

var errAsked = errors.New("ended")

// Reading a hole, however long, ends with the reader of the stored bytes.
func TestSparseReaderEnds(t *testing.T) {
	r := io.NewSectionReader(newSparseReader(&asked{left: 10}, 0, nil, 1<<62), 0, 1<<62)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 1000))
	if n != 10_000 || err != errAsked {
		t.Errorf("%d bytes of a hole were read, %v, want 10000", n, err)
	}
}
