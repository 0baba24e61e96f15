package remote

import (
	"bytes"
	"hash/crc32"
	"io"
	"testing"
)

func TestContents(t *testing.T) {
	data := noise(100_000)
	c := BytesContent(data)
	for _, tt := range []struct {
		c    *Content
		want string
	}{
		{c.From(0), string(data)}, {c.From(99_999), string(data[99_999:])}, {c.From(100_000), ""},
		{c.Between("a", "bc"), "a" + string(data) + "bc"}, {c.Between("", ""), string(data)},
		{BytesContent(nil).Between("a", "b"), "ab"},
	} {
		for _, piece := range []int64{1 << 20, 333} {
			var got []byte
			for off := int64(0); off < tt.c.Size; off += piece {
				p := make([]byte, min(piece, tt.c.Size-off))
				if n, err := tt.c.ReadAt(p, off); n < len(p) {
					t.Fatalf("%d bytes of %d at %d: %v", n, len(p), off, err)
				}
				got = append(got, p...)
			}
			if string(got) != tt.want {
				t.Errorf("%d other bytes, want %d", len(got), len(tt.want))
			}
		}
		rest := min(5, tt.c.Size)
		if n, err := tt.c.ReadAt(make([]byte, 10), tt.c.Size-rest); int64(n) != rest || err != io.EOF {
			t.Errorf("at the end of %d: %d bytes, %v", tt.c.Size, n, err)
		}
	}
}

func TestWholeSum(t *testing.T) {
	data := noise(1 << 20)
	for _, sizes := range [][]int{{}, {1}, {1, 2, 3}, {1 << 18, 1 << 18}, {1<<20 - 1}, {77_777, 1, 65_536}} {
		var parts []Part
		at := 0
		for _, n := range sizes {
			parts = append(parts, Part{Size: int64(n), CRC32C: BytesContent(data[at : at+n]).CRC32C})
			at += n
		}
		want := crc32.Checksum(data, castagnoli())
		if got := WholeSum(parts, BytesContent(data[at:])); got != want {
			t.Errorf("%d: %08x, want %08x", sizes, got, want)
		}
	}
	zeros := bytes.Repeat([]byte{0}, 1000)
	if got, want := WholeSum(nil, BytesContent(zeros)), crc32.Checksum(zeros, castagnoli()); got != want {
		t.Errorf("%08x, want %08x", got, want)
	}
}
