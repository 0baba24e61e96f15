package index

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzScanner gives a Scanner any bytes. What it and archive/tar both take for a whole tar has the same members for both.
func FuzzScanner(f *testing.F) {
	a := rawMember(typeRegular, "a", "12345")
	end := make([]byte, 2*BlockSize)
	for _, parts := range [][][]byte{
		{makeTar(f, "a.x", "d/", "a.y->", "*", "b.x")},
		{makeTar(f, strings.Repeat("long/", 60)+"name.x", "ü.x")},
		{a, pax("path=x", "size=5", "mtime=1.5", "path="), a, end},
		{rawMember(typeGNULongName, "L", strings.Repeat("l", 300)), a, end},
		{rawMember(typeRegularOld, "d/", ""), rawMember(typeContiguous, "c", "1"), rawHeader(typeHardLink, "h", 1000), end},
		{rawMember(typeRegular, "a", "", func(b block) { copy(b[257:], "ustar  \x00"); copy(b[345:], "12345670123\x00") }), end},
		{rawMember(typeRegular, "a", "", func(b block) { copy(b[345:], "prefix"); copy(b[508:], "tar\x00") }), end},
		{rawHeader(typeGNUSparse, "s", 5, func(b block) { b[482] = 1 }), make([]byte, BlockSize), a[BlockSize:], end},
		{rawMember(typeGlobal, "g", "20 path=everywhere!\n"), a, end},
		{a, end[:BlockSize]},
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
		x, buildErr := Build(bytes.NewReader(plain))
		if x != nil {
			checkOffsets(t, x, int64(len(plain)))
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
		if !slices.Equal(got, want) && !wroteByOldGo(plain) {
			t.Errorf("members: %v, want %v", got, want)
		}
	})
}

// wroteByOldGo reports whether a header may be one that Go before 1.8 wrote wrongly and that archive/tar alone mends: one
// of GNU's with something else where the times should be.
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
