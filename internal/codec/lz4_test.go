package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// Test vectors of XXH32 with seed 0.
func TestXXH32(t *testing.T) {
	for text, want := range map[string]uint32{
		"":    0x02cc5d05,
		"a":   0x550d7456,
		"abc": 0x32d153ff,
		"Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		if got := sumXXH32([]byte(text)); got != want {
			t.Errorf("%q: %08x, want %08x", text, got, want)
		}
	}
	// The sum does not depend on how the bytes are cut. Sums of longer data are tested by the decoder with files
	// of lz4.
	b := noise(1000, 1)
	for size := 1; size < 40; size++ {
		x := newXXH32()
		for rest := b; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			x.add(rest[:min(size, len(rest))])
		}
		if x.sum() != sumXXH32(b) {
			t.Errorf("in pieces of %d: another sum", size)
		}
	}
}

// lz4Header returns a header with its checksum.
func lz4Header(flags, block byte, more ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, lz4Magic)
	b = append(append(b, flags, block), more...)
	return append(b, byte(sumXXH32(b[4:])>>8))
}

func TestLZ4Headers(t *testing.T) {
	block := []byte("\x03\x00\x00\x80abc\x00\x00\x00\x00")
	for _, tt := range []struct {
		name string
		data []byte
		want error
	}{
		{"plainest", append(lz4Header(0x60, 0x40), block...), nil},
		{"length", append(lz4Header(0x68, 0x40, 3, 0, 0, 0, 0, 0, 0, 0), block...), nil},
		{"wrong length", append(lz4Header(0x68, 0x40, 4, 0, 0, 0, 0, 0, 0, 0), block...), ErrDamaged},
		{"version", lz4Header(0xa0, 0x40), ErrLimit},
		{"reserved flag", lz4Header(0x62, 0x40), ErrLimit},
		{"block size", lz4Header(0x60, 0x30), ErrLimit},
		{"dictionary", lz4Header(0x61, 0x40, 1, 2, 3, 4), ErrLimit},
		{"legacy", []byte("\x02\x21\x4c\x18\x00\x00\x00\x00"), ErrLimit},
		{"too long block", append(lz4Header(0x60, 0x40), "\x01\x00\x04\x80abc"...), ErrDamaged},
	} {
		got, _, _, err := unpack(LZ4, tt.data, front)
		if !errors.Is(err, tt.want) || tt.want == nil && string(got) != "abc" {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// A linked block may refer to what came before it, but not to what came before its frame.
func TestLZ4History(t *testing.T) {
	first := append(lz4Header(0x40, 0x40), "\x08\x00\x00\x80abcdefgh\x00\x00\x00\x00"...)
	// No literals, and a match of 4 bytes 8 bytes back; then the five literals that end a block.
	refer := append(lz4Header(0x40, 0x40), "\x09\x00\x00\x00\x00\x08\x00\x50vwxyz\x00\x00\x00\x00"...)
	if _, _, _, err := unpack(LZ4, append(first, refer...), front); !errors.Is(err, ErrDamaged) {
		t.Errorf("reference to another frame: %v", err)
	}
	both := bytes.Clone(first[:len(first)-4])
	both = append(both, refer[7:]...)
	got, _, _, err := unpack(LZ4, both, front)
	if string(got) != "abcdefghabcdvwxyz" || err != nil {
		t.Errorf("reference within a frame: %q, %v", got, err)
	}
}
