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
	"time"
)

// rawHeader returns a ustar header; set may change it before its checksum is computed.
func rawHeader(typeflag byte, name string, size int64, set ...func(b block)) []byte {
	b := make(block, BlockSize)
	copy(b.name(), name)
	copy(b.mode(), "0000644\x00")
	copy(b.size(), fmt.Sprintf("%011o\x00", size))
	copy(b.mtime(), "00000000001\x00")
	b[156] = typeflag
	copy(b[257:265], "ustar\x0000")
	for _, set := range set {
		set(b)
	}
	sign(b)
	return b
}

// sign computes the checksum of a header.
func sign(b block) {
	copy(b.checksum(), "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b.checksum(), fmt.Sprintf("%06o\x00 ", sum))
}

// rawMember returns a header and its content, padded.
func rawMember(typeflag byte, name, content string, set ...func(b block)) []byte {
	b := append(rawHeader(typeflag, name, int64(len(content)), set...), content...)
	return append(b, make([]byte, -len(b)&(BlockSize-1))...)
}

// pax returns the extended header of some records "key=value".
func pax(records ...string) []byte {
	var content string
	for _, r := range records {
		n := len(r) + 3
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n = len(fmt.Sprint(n)) + len(r) + 2
		}
		content += fmt.Sprintf("%d %s\n", n, r)
	}
	return rawMember(typeExtended, "pax", content)
}

// sun returns an extended header under Sun's name for it.
func sun(records ...string) []byte {
	b := pax(records...)
	b[156] = typeExtendedSun
	sign(b[:BlockSize])
	return b
}

// TestScannerHeaders reads tars made by hand: several headers that together describe one member.
func TestScannerHeaders(t *testing.T) {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	a := rawMember(typeRegular, "a", "12345")
	long := strings.Repeat("l", 300)
	set := func(at int, text string) func(block) { return func(b block) { copy(b[at:], text) } }
	for _, tt := range []struct {
		story string
		tar   []byte
		want  string // name, size, time, mode and regular of every entry; or part of an error
	}{
		{"a plain header", a, "a 5 1000000000 644 true"},
		{"an old header", rawMember(typeRegularOld, "a", "12345", set(257, "\x00\x00\x00\x00\x00\x00\x00\x00")),
			"a 5 1000000000 644 true"},
		{"a contiguous file", rawMember(typeContiguous, "a", "1"), "a 1 1000000000 644 true"},
		{"an unknown kind is passed over with its content", join(rawMember('Z', "z", "1"), a),
			"z 1 1000000000 644 false; a 5 1000000000 644 true"},
		{"a link has no content, even with a size", join(rawHeader(typeHardLink, "h", 1000), a),
			"h 0 1000000000 644 false; a 5 1000000000 644 true"},
		{"a directory of the first tars", rawHeader(typeRegularOld, "d/", 0), "d/ 0 1000000000 644 false"},
		{"a prefix", rawMember(typeRegular, "a", "", set(345, "p/q")), "p/q/a 0 1000000000 644 true"},
		{"star's shorter prefix", rawMember(typeRegular, "a", "", set(345, strings.Repeat("p", 131)+"time"),
			set(508, "tar\x00")),
			strings.Repeat("p", 131) + "/a 0 1000000000 644 true"},
		{"no prefix in a GNU header", rawMember(typeRegular, "a", "", set(257, "ustar  \x00"),
			set(345, "12345670123\x00")),
			"a 0 1000000000 644 true"},
		{"numbers with spaces", rawMember(typeRegular, "a", "", set(100, "   755 \x00"), set(136, "          2 ")),
			"a 0 2000000000 755 true"},
		{"an empty time and mode",
			rawMember(typeRegular, "a", "", set(100, "\x00\x00\x00\x00\x00\x00\x00\x00"),
				set(136, strings.Repeat("\x00", 12))),
			"a 0 0 0 true"},
		{"a base-256 size", rawMember(typeRegular, "a", "12345",
			set(124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05")), "a 5 1000000000 644 true"},
		{"a negative time", rawMember(typeRegular, "a", "", set(136, strings.Repeat("\xff", 12))),
			"a 0 -1000000000 644 true"},
		{"the last time that a header holds",
			rawMember(typeRegular, "a", "", set(136, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")),
			"a 0 9223372036854775807s+0 644 true"},
		{"the first time that a header holds",
			rawMember(typeRegular, "a", "", set(136, "\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\x00\x00")),
			"a 0 -9223372036854775808s+0 644 true"},
		{"times of the years 2500 and 1500",
			join(rawMember(typeRegular, "a", "", set(136, "174533114600")), pax("mtime=-14831769600.25"), a),
			"a 0 16734001536s+0 644 true; a 5 -14831769601s+750000000 644 true"},
		{"octal times with a minus, as npm's tar-stream writes them", join(
			rawMember(typeRegular, "a", "", set(136, "0-170231600 ")),
			rawMember(typeRegular, "a", "", set(136, "-0000000001\x00")),
			rawMember(typeRegular, "a", "", set(136, " 00-17     \x00")),
			rawMember(typeRegular, "a", "", set(136, "-32423166000"))),
			"a 0 -31536000000000000 644 true; a 0 -1000000000 644 true; a 0 -15000000000 644 true; " +
				"a 0 -3561810944000000000 644 true"},
		{"a time, a mode and owners that are no numbers", join(
			rawMember(typeRegular, "a", "", set(136, "x\x00")), rawMember(typeRegular, "a", "", set(136, "-\x00")),
			rawMember(typeRegular, "a", "", set(136, "12-3\x00")),
			rawMember(typeRegular, "a", "", set(136, "0--3\x00")),
			rawMember(typeRegular, "a", "", set(136, "\x80\x01")), rawMember(typeRegular, "a", "", set(100, "x")),
			rawMember(typeRegular, "a", "", set(108, "nobody\x00\x00users\x00"), set(329, "dos\x00"))),
			"a 0 0 644 true; a 0 0 644 true; a 0 0 644 true; a 0 0 644 true; a 0 0 644 true; a 0 1000000000 0 true; " +
				"a 0 1000000000 644 true"},
		{"a PAX time beyond all times", join(pax("mtime=9223372036854775808"), a), "a 5 1000000000 644 true"},
		{"Sun's extended header", join(sun("path="+long, "size=5"), rawHeader(typeRegular, "a", 0), a[BlockSize:], a),
			long + " 5 1000000000 644 true; a 5 1000000000 644 true"},
		{"zeros after the records of an extended header", join(
			rawMember(typeExtended, "x", "14 path=x.jpg\n"+strings.Repeat("\x00", 600)), a,
			rawMember(typeExtended, "x", strings.Repeat("\x00", 512)), a),
			"x.jpg 5 1000000000 644 true; a 5 1000000000 644 true"},
		{"a checksum over signed bytes", signedHeader(), "a\xff 0 1000000000 644 true"},

		{"PAX", join(pax("path="+long, "size=5", "mtime=-1.5"), a), long + " 5 -1500000000 644 true"},
		{"PAX size is the one that counts", join(pax("size=5"), rawHeader(typeRegular, "a", 600), a[BlockSize:]),
			"a 5 1000000000 644 true"},
		{"PAX size of a directory does not", join(pax("size=5"), rawHeader(typeDirectory, "d/", 0), a),
			"d/ 0 1000000000 644 false; a 5 1000000000 644 true"},
		{"PAX of another member", join(pax("path=x"), a, a), "x 5 1000000000 644 true; a 5 1000000000 644 true"},
		{"the last PAX record wins", join(pax("path=x", "path=y"), a), "y 5 1000000000 644 true"},
		{"an empty PAX record takes the one before back",
			join(pax("path=x", "size=9", "mtime=9", "path=", "size=", "mtime="), a), "a 5 1000000000 644 true"},
		{"the last PAX header wins", join(pax("path=x"), pax("mtime=2"), a), "a 5 2000000000 644 true"},
		{"unknown PAX records", join(pax("comment=\xff", "SCHILY.xattr.user.x=1"), a), "a 5 1000000000 644 true"},
		{"a sparse file of no known format is not shown", join(pax("GNU.sparse.major=2", "GNU.sparse.minor=0"), a),
			"a 5 1000000000 644 false"},
		{"a fraction of more digits than are kept", join(pax("mtime=1.1234567899"), a), "a 5 1123456789 644 true"},
		{"PAX times that are none", join(pax("mtime=1.x"), a, pax("mtime=x"), a, pax("mtime=9", "mtime=1..2"), a),
			"a 5 1000000000 644 true; a 5 1000000000 644 true; a 5 1000000000 644 true"},
		{"GNU's long name", join(rawMember(typeGNULongName, "././@LongLink", long+"\x00"), a), long +
			" 5 1000000000 644 true"},
		{"GNU's long target", join(rawMember(typeGNULongTarget, "././@LongLink", long+"\x00"), a),
			"a 5 1000000000 644 true"},
		{"an empty long name", join(a, rawMember(typeGNULongName, "././@LongLink", "\x00"),
			rawMember(typeGNULongName, "././@LongLink", ""), a), "a 5 1000000000 644 true; a 5 1000000000 644 true"},
		{"GNU's long name is stronger",
			join(pax("path=x"), rawMember(typeGNULongName, "././@LongLink", long), pax("path=y"), a),
			long + " 5 1000000000 644 true"},
		{"a PAX size is not that of a long name",
			join(pax("size=5"), rawMember(typeGNULongName, "././@LongLink", long), a),
			long + " 5 1000000000 644 true"},
		{"a global header", join(rawMember(typeGlobal, "g", "20 path=everywhere!\n"), a),
			" 20 0 0 false; a 5 1000000000 644 true"},
		{"NULs before a number", rawMember(typeRegular, "a", "", set(124, "\x00\x0012345")), "a 0 1000000000 644 true"},
		{"a name of any bytes", rawMember(typeRegular, "\xff\n\x01", ""), "\xff\n\x01 0 1000000000 644 true"},
		{"a PAX name of any bytes", join(pax("path=\xff\n\x01"), a), "\xff\n\x01 5 1000000000 644 true"},
		{"an extended header of the limit",
			join(rawMember(typeExtended, "x", "1048576 comment="+strings.Repeat("c", maxSpecial-17)+"\n"), a),
			"a 5 1000000000 644 true"},
		{"a long name of the limit", join(rawMember(typeGNULongName, "L", strings.Repeat("l", maxSpecial)), a),
			strings.Repeat("l", maxSpecial) + " 5 1000000000 644 true"},

		{"a checksum that is none", rawNoChecksum(), "not a tar: member 0 at byte 0: bad header checksum"},
		{"a wrong checksum later", join(a, rawNoChecksum()),
			"damaged shard: member 1 at byte 1024: bad header checksum"},
		{"a negative size", join(a, rawMember(typeRegular, "b", "", set(124, strings.Repeat("\xff", 12)))),
			"damaged shard: member 1 at byte 1024: bad size"},
		{"a size beyond all sizes",
			join(a, rawMember(typeRegular, "b", "", set(124, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"))),
			"damaged shard: member 1 at byte 1024: bad size"},
		{"a size of more than 64 bits",
			join(a, rawMember(typeRegular, "b", "", set(124, "\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"))),
			"damaged shard: member 1 at byte 1024: bad size"},
		{"a size that is no number", join(a, rawMember(typeRegular, "b", "", set(124, "0000000000x\x00"))),
			"damaged shard: member 1 at byte 1024: bad size"},
		{"a PAX size beyond all sizes", join(a, pax("size=9223372036854775807"), a),
			"damaged shard: member 1 at byte 2048: bad size"},
		{"a PAX size to the end of all sizes", join(a, pax("size=9223372036854773000"), a),
			"damaged shard: member 1 at byte 2048: bad size"},
		{"a negative PAX size", join(a, pax("size=-1"), a),
			"damaged shard: member 1 at byte 1024: extended header size"},
		{"a PAX size that is no number", join(a, pax("size=5x"), a),
			"damaged shard: member 1 at byte 1024: extended header size"},
		{"a PAX size of more than 63 bits", join(a, pax("size=9223372036854775808"), a),
			"damaged shard: member 1 at byte 1024: extended header size"},
		{"a size larger than the shard", join(a, rawHeader(typeRegular, "b", 1<<32), a),
			`truncated shard: member 1 "b" ends at byte 4294968832, the shard at 3584`},
		{"a base-256 size larger than the shard",
			join(a, rawHeader(typeRegular, "b", 0, set(124, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\x00\x00\x00")), a),
			`truncated shard: member 1 "b" ends at byte 9223372036838000128, the shard at 3584`},
		{"a PAX size larger than the shard", join(a, pax("size=1000000000000"), a),
			`truncated shard: member 1 "a" ends at byte 1000000002560, the shard at 4096`},
		{"a NUL in a PAX path", join(a, pax("path=x\x00y"), a),
			"damaged shard: member 1 at byte 1024: extended header path"},
		{"a PAX record without a length", join(a, rawMember(typeExtended, "x", "path=x\n"), a),
			"damaged shard: member 1 at byte 1024: not a tar header"},
		{"a PAX record that is too long", join(a, rawMember(typeExtended, "x", "99 path=x\n"), a),
			"damaged shard: member 1 at byte 1024: not a tar header"},
		{"a PAX record without a key", join(a, rawMember(typeExtended, "x", "6 =xy\n"), a),
			"damaged shard: member 1 at byte 1024: not a tar header"},
		{"an extended header over the limit", join(a, rawHeader(typeExtended, "x", maxSpecial+1)),
			"damaged shard: member 1 at byte 1024: an extended header of 1048577 bytes"},
		{"a global header over the limit", join(a, rawHeader(typeGlobal, "g", maxSpecial+1)),
			"damaged shard: member 1 at byte 1024: an extended header of 1048577 bytes"},
		{"a long name over the limit", join(a, rawHeader(typeGNULongName, "L", maxSpecial+1)),
			"damaged shard: member 1 at byte 1024: an extended header of 1048577 bytes"},
		{"a long target over the limit", join(a, rawHeader(typeGNULongTarget, "K", 1<<33-1)),
			"damaged shard: member 1 at byte 1024: an extended header of 8589934591 bytes"},
	} {
		got, err := entries(join(tt.tar, make([]byte, 2*BlockSize)))
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %s", tt.story, err, tt.want)
			}
			continue
		}
		if got := strings.Join(got, "; "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.story, got, tt.want)
		}
	}
}

// entries describes the entries of a tar.
func entries(plain []byte) (list []string, err error) {
	s := NewScanner(bytes.NewReader(plain))
	for {
		e, err := s.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		mtime := fmt.Sprint(e.ModTime.UnixNano())
		if !time.Unix(0, e.ModTime.UnixNano()).Equal(e.ModTime) {
			mtime = fmt.Sprintf("%ds+%d", e.ModTime.Unix(), e.ModTime.Nanosecond())
		}
		list = append(list, fmt.Sprintf("%s %d %s %o %v", e.Name, e.Size, mtime, e.Mode, e.Regular))
	}
}

// signedHeader returns a header whose checksum is computed over signed bytes, as some old writers did.
func signedHeader() []byte {
	b := block(rawHeader(typeRegular, "a\xff", 0))
	sum, _ := parseOctal(b.checksum())
	copy(b.checksum(), fmt.Sprintf("%06o\x00 ", sum-256))
	return b
}

func rawNoChecksum() []byte {
	b := block(rawHeader(typeRegular, "a", 0))
	copy(b.checksum(), "12345x\x00 ")
	return b
}

// The error for a cut describes the right member before the cut.
func TestScannerNamesTheLastMember(t *testing.T) {
	long := strings.Repeat("l", 100)
	first := rawMember(typeRegular, "first"+strings.Repeat("f", 95), "12345")
	for _, tt := range []struct {
		story string
		rest  []byte
		want  string
	}{
		{"nothing", nil, `no end marker after member 0 "first` + strings.Repeat("f", 95) +
			`", which ends at byte 1024; the shard ends at 1024`},
		{"a long name and no header", rawMember(typeGNULongName, "L", long), `after member 0 "first` +
			strings.Repeat("f", 95) + `", which ends at byte 1024; the shard ends at 2048`},
		{"half a long name", rawMember(typeGNULongName, "L", long)[:600], `after member 0 "first` +
			strings.Repeat("f", 95) +
			`", which ends at byte 1024; the shard ends at 1624`},
		{"a PAX header and no header", pax("path=x"), `after member 0 "first` + strings.Repeat("f", 95) +
			`", which ends at byte 1024; the shard ends at 2048`},
		{"a sparse file's header without its map", gnuSparse(5, 0, "")[:BlockSize],
			`no end marker after member 1 "s", which ends at byte 1536; the shard ends at 1536`},
		{"a sparse file's header without all of its map", gnuSparse(5, 5, "12345", make([]Extent, 5)...)[:BlockSize],
			`member 1 "s" has no whole header, at byte 1536`},
		{"half a map in front of the content", paxSparse10(5, 1024, "2\n0\n5\n", "12345")[:1536],
			`member 1 "s" has no whole header, at byte 2560`},
		{"a header without content", rawHeader(typeRegular, "second", 600),
			`member 1 "second" ends at byte 2560, the shard at 1536`},
	} {
		plain := slices.Concat(first, tt.rest)
		for _, r := range []io.Reader{bytes.NewReader(plain), io.MultiReader(bytes.NewReader(plain))} {
			if _, err := Build(r, BuildOptions{Concurrent: true}); !errors.Is(err, ErrTruncated) ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %s", tt.story, err, tt.want)
			}
		}
	}
}

// A read error is returned unchanged, wherever it occurs.
func TestScannerReadErrors(t *testing.T) {
	broken := errors.New("broken cable")
	for _, tt := range []struct {
		story string
		read  []byte // bytes before the error
	}{
		{"at once", nil},
		{"in a header", rawHeader(typeRegular, "a", 5)[:100]},
		{"in content", rawHeader(typeRegular, "a", 600)},
		{"in an extended header", rawHeader(typeExtended, "x", 600)},
		{"in an old sparse map", gnuSparse(5, 5, "12345", make([]Extent, 5)...)[:BlockSize]},
		{"in a sparse map in front of the content", paxSparse10(5, 600, "", "")},
		{"later there", paxSparse10(5, 2000, "2\n"+strings.Repeat("0", 510), "")},
		{"later still", paxSparse10(5, 2000, "2\n0\n"+strings.Repeat("0", 508), "")},
		{"in the end marker", make([]byte, BlockSize)},
	} {
		s := NewScanner(io.MultiReader(bytes.NewReader(tt.read), errReader{broken}))
		if _, err := s.Next(); !errors.Is(err, broken) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrDamaged) ||
			errors.Is(err, ErrNotTar) {
			t.Errorf("%s: %v, want %v", tt.story, err, broken)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for _, tt := range []struct {
		field string
		want  int64
		ok    bool
	}{
		{"0000644\x00", 0o644, true},
		{"", 0, true},
		{" \x00 ", 0, true},
		{"  17  ", 0o17, true},
		{"17\x0099", 0o17, true},
		{"8", 0, false},
		{"-1", 0, false},
		{"1 1", 0, false},
		{"777777777777777777777", math.MaxInt64, true},
		{"1000000000000000000000", 0, false},
		{"\x80\x01", 1, true},
		{"\x81\x00", 256, true},
		{"\xff\xff", -1, true},
		{"\xff\xfe", -2, true},
		{"\xbf", 0x3f, true},
		{"\x80\x7f\xff\xff\xff\xff\xff\xff\xff", math.MaxInt64, true},
		{"\x80\x80\x00\x00\x00\x00\x00\x00\x00", 0, false},
		{"\xff\x80\x00\x00\x00\x00\x00\x00\x00", math.MinInt64, true},
		{"\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 0, false},
	} {
		field := []byte(tt.field)
		if len(field) == 0 {
			field = make([]byte, 8)
		}
		if got, err := parseNumber(field); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseNumber(%q) = %d, %v, want %d, %v", tt.field, got, err, tt.want, tt.ok)
		}
	}
}
