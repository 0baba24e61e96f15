package codec

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/therootcompany/xz"

	"github.com/shardfs/shardfs/internal/codec/lzma2"
)

// All that the encoder of xz can set is decoded as another reader does, sound or damaged, and a window is no larger than
// the dictionary needs.
func TestXZChunks(t *testing.T) {
	far := noise(80_000, 1)
	plain := slices.Concat(text(2_000_000, 1), far, make([]byte, 500_000), jpegLike(900_000, 1), far, text(400_000, 2))
	for _, args := range [][]string{
		{"--lzma2=preset=0"},
		{"--lzma2=preset=6,dict=4KiB"},
		{"--lzma2=preset=1,dict=96KiB,lc=0,lp=4,pb=0"},
		{"--lzma2=preset=1,dict=4MiB,lc=4,lp=0,pb=4"},
		{"--lzma2=preset=1,dict=1MiB,lc=2,lp=2,pb=2"},
		{"-T2", "--block-size=1MiB", "-0"},
	} {
		data := pipe(t, plain, "xz", append(args, "-c")...)
		got, _, d, err := unpack(XZ, data, front)
		if err != nil {
			t.Fatal(args, err)
		}
		same(t, got, plain)
		own := &d.(*xzDecoder).own
		if most := int(own.head.dictionary)*5/4 + lzma2.MaxPlain; cap(own.window) == 0 || cap(own.window) > most {
			t.Errorf("%v: a window of %d bytes, want up to %d", args, cap(own.window), most)
		}
		for _, at := range []int{len(data) / 7, len(data) / 2, len(data) - 70} {
			bad := bytes.Clone(data)
			bad[at] ^= 0x10
			other, err := xz.NewReader(bytes.NewReader(bad), xzMaxDictionary)
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr := io.ReadAll(other)
			got, _, _, err := unpack(XZ, bad, front)
			n := min(len(got), len(want))
			if !bytes.Equal(got[:n], want[:n]) || (err == nil) != (wantErr == nil) {
				t.Errorf("%v, byte %d: %d bytes, %v; want %d, %v", args, at, len(got), err, len(want), wantErr)
			}
		}
	}
}

// What the header of a block states is compared with the block.
func TestXZHead(t *testing.T) {
	data := pipe(t, text(50_000, 1), "xz", "-T2", "--block-size=20KiB", "-c") // with both sizes in headers
	if _, ok := parseXZHead(data[xzHeaderSize:][:(int(data[xzHeaderSize])+1)*4]); !ok {
		t.Fatal("a header that is not understood")
	}
	for at := xzHeaderSize; at < xzHeaderSize+int(data[xzHeaderSize])*4; at++ {
		if string(data[at-2:at]) == "\x21\x01" {
			continue // a dictionary of another size is no contradiction
		}
		bad := bytes.Clone(data)
		bad[at] ^= 1
		resumXZHead(bad[xzHeaderSize:])
		if _, _, _, err := unpack(XZ, bad, front); err == nil {
			t.Errorf("byte %d of the header of a block: no error", at)
		}
	}
}

// resumXZHead corrects the checksum of the header with which b begins.
func resumXZHead(b []byte) {
	end := int(b[0]) * 4
	if end+4 <= len(b) {
		binary.LittleEndian.PutUint32(b[end:], crc32.ChecksumIEEE(b[:end]))
	}
}
