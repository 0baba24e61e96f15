package index

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// FuzzScanner scans arbitrary bytes. If both Scanner and archive/tar accept them as a whole tar, they find the same
// members.
func FuzzScanner(f *testing.F) {
	a := rawMember(typeRegular, "a", "12345")
	end := make([]byte, 2*BlockSize)
	for _, parts := range [][][]byte{
		{makeTar(f, "a.x", "d/", "a.y->", "*", "b.x")},
		{makeTar(f, strings.Repeat("long/", 60)+"name.x", "ü.x")},
		{a, pax("path=x", "size=5", "mtime=1.5", "path="), a, end},
		{rawMember(typeGNULongName, "L", strings.Repeat("l", 300)), a, end},
		{rawMember(typeRegularOld, "d/", ""), rawMember(typeContiguous, "c", "1"), rawHeader(typeHardLink, "h", 1000),
			end},
		{rawMember(typeRegular, "a", "",
			func(b block) { copy(b[257:], "ustar  \x00"); copy(b[345:], "12345670123\x00") }),
			end},
		{rawMember(typeRegular, "a", "", func(b block) { copy(b[345:], "prefix"); copy(b[508:], "tar\x00") }), end},
		{gnuSparse(60, 30, strings.Repeat("abc", 10), every(2, 30)...), a, end},
		{paxSparse0("abc", "size=9", "numblocks=2", "offset=2", "numbytes=2", "offset=6", "numbytes=1"), a, end},
		{paxSparse10(9, 515, "2\n2\n2\n6\n1\n", "abc"), a, end},
		{rawMember(typeGlobal, "g", "20 path=everywhere!\n"), a, end},
		{a, end[:BlockSize]},
		{sun("path=x"), rawMember(typeRegular, "a", "1", func(b block) { copy(b.mtime(), "0-170231600 ") }), a, end},
	} {
		plain := bytes.Join(parts, nil)
		if len(plain) > 10<<10 {
			plain = plain[:10<<10]
		}
		f.Add(plain, false)
		f.Add(plain, true)
	}
	f.Fuzz(func(t *testing.T, plain []byte, signed bool) {
		if signed {
			// Few changed headers would get past the checksum otherwise.
			plain = bytes.Clone(plain)
			for at := 0; at+BlockSize <= len(plain); at += BlockSize {
				if b := block(plain[at : at+BlockSize]); string(b[257:262]) == "ustar" {
					sign(b)
				}
			}
		}
		x, buildErr := Build(bytes.NewReader(plain), BuildOptions{Concurrent: true})
		if x != nil {
			checkRows(t, x, plain)
			checkView(t, x)
		}
		got, err := scanAll(t, plain)
		if (err == nil) != (buildErr == nil) {
			t.Fatalf("Build: %v, Scanner: %v", buildErr, err)
		}
		want, wantErr := theirs(plain)
		if err != nil || wantErr != nil {
			return
		}
		if !slices.Equal(got, want) && !wroteByOldGo(plain) && !numberAfterNUL(plain) && !hasSun(plain) {
			t.Errorf("members: %v, want %v", got, want)
		}
	})
}

// hasSun reports whether there may be an extended header under Sun's name for it, which archive/tar passes over.
func hasSun(plain []byte) bool {
	for at := 0; at+BlockSize <= len(plain); at += BlockSize {
		if block(plain[at:at+BlockSize]).typeflag() == typeExtendedSun {
			return true
		}
	}
	return false
}

// FuzzSparse gives a Scanner and archive/tar a sparse member of any map: which of the formats it has, how many bytes
// with its holes, the map in that format, and the stored bytes. If both accept it, they read the same content.
func FuzzSparse(f *testing.F) {
	f.Add(byte(0), int64(9), []byte("00000000002\x0000000000002\x0000000000006\x0000000000001\x00"), []byte("abc"))
	f.Add(byte(0), int64(60), []byte(gnuSparse(60, 30, "", every(2, 30)...)[386:]), []byte(strings.Repeat("abc", 10)))
	f.Add(byte(1), int64(9), []byte("size=9\nnumblocks=2\noffset=2\nnumbytes=2\noffset=6\nnumbytes=1"), []byte("abc"))
	f.Add(byte(1), int64(9), []byte("major=0\nminor=1\nname=n\nrealsize=9\nnumblocks=2\nmap=2,2,6,1"), []byte("abc"))
	f.Add(byte(2), int64(9), []byte("2\n2\n2\n6\n1\n"), []byte("abc"))
	f.Add(byte(2), int64(9), []byte("2\n2\n2\n"+strings.Repeat("0", 505)+"6\n1\n"), []byte("abc"))
	f.Fuzz(func(t *testing.T, format byte, size int64, text, content []byte) {
		if len(text)+len(content) > 64<<10 {
			return
		}
		var plain []byte
		switch format % 3 {
		case 0:
			plain = rawHeader(typeGNUSparse, "s", int64(len(content)), func(b block) {
				copy(b[257:], "ustar  \x00")
				b[482] = byte(min(len(text[copy(b[386:482], text):]), 1))
				copy(b[483:495], fmt.Sprintf("%011o\x00", size))
			})
			for text = text[min(96, len(text)):]; len(text) > 0; {
				b := make(block, BlockSize)
				text = text[copy(b[:504], text):]
				b[504] = byte(min(len(text), 1))
				plain = append(plain, b...)
			}
			plain = append(plain, content...)
			plain = append(plain, make([]byte, -len(plain)&(BlockSize-1))...)
		case 1:
			plain = paxSparse0(string(content), strings.Split(string(text), "\n")...)
		case 2:
			stored := (len(text)+BlockSize-1)/BlockSize*BlockSize + len(content)
			plain = paxSparse10(size, int64(stored), string(text), string(content))
		}
		plain = slices.Concat(plain, rawMember(typeRegular, "next", "12345"), make([]byte, 2*BlockSize))
		got, err := scanAll(t, plain)
		want, wantErr := theirs(plain)
		if err == nil && wantErr == nil && !slices.Equal(got, want) && !numberAfterNUL(plain) {
			t.Errorf("members: %v, want %v", got, want)
		}
	})
}

// numberAfterNUL reports whether a field of a header may begin with a NUL that has more after it. It ends the field,
// as it does for GNU tar, Python and libarchive; archive/tar passes over it.
func numberAfterNUL(plain []byte) bool {
	after := func(field []byte) bool {
		field = bytes.TrimLeft(field, " ")
		return len(field) > 0 && field[0] == 0 && len(bytes.Trim(field, " \x00")) > 0
	}
	for at := 0; at+BlockSize <= len(plain); at += BlockSize {
		b := block(plain[at : at+BlockSize])
		var extents []byte
		switch {
		case b.verify() != nil:
			extents = b[:504] // it may be more of a sparse map
		case after(b.mode()) || after(b.size()) || after(b.mtime()):
			return true
		case b.typeflag() == typeGNUSparse:
			extents = slices.Concat(b[386:482], b[483:495])
		}
		for field := range slices.Chunk(extents, 12) {
			if after(field) {
				return true
			}
		}
	}
	return false
}

// wroteByOldGo reports whether a header may be one that Go before 1.8 wrote wrongly and that archive/tar alone mends:
// one of GNU's with something else where the times should be.
func wroteByOldGo(plain []byte) bool {
	for at := 0; at+BlockSize <= len(plain); at += BlockSize {
		b := block(plain[at : at+BlockSize])
		if string(b.magic()) != "ustar " {
			continue
		}
		for _, field := range [][]byte{b[345:357], b[357:369]} {
			if _, err := parseNumber(field); field[0] != 0 && err != nil {
				return true
			}
		}
	}
	return false
}
