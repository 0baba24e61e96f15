package lzma2

import (
	"errors"
	"io"
	"testing"
)

// stored is a chunk that resets the dictionary.
var stored = Chunk{Head: 3, Data: 3, Plain: 3, control: 1}

// Chunks that no encoder writes are damage, whatever they ask for; nothing outside their plain bytes is written.
func TestDamaged(t *testing.T) {
	zeros, ones := make([]byte, 100), make([]byte, 100)
	for i := range ones {
		ones[i] = 0xff
	}
	packed := func(control, props byte, data, plain int) Chunk {
		return Chunk{Head: 6, Data: data, Plain: plain, control: control, props: props}
	}
	for _, tt := range []struct {
		name   string
		before bool // a stored chunk comes before
		chunk  Chunk
		data   []byte
	}{
		{"stored chunk without a reset", false, Chunk{Data: 3, Plain: 3, control: 2}, []byte("abc")},
		{"chunk without a reset", false, packed(0xc0, 0x5d, 100, 100), zeros},
		{"chunk without properties", true, packed(0x80, 0x5d, 100, 100), zeros},
		{"properties of no model", false, packed(0xe0, 225, 100, 100), zeros},
		{"properties of a larger model", false, packed(0xe0, 4+9, 100, 100), zeros},
		{"too short", false, packed(0xe0, 0x5d, 4, 100), zeros[:4]},
		{"bytes left over", false, packed(0xe0, 0x5d, 100, 10), zeros},
		{"match before the beginning", false, packed(0xe0, 0x5d, 100, 100), ones},
		{"match before the dictionary", true, packed(0xc0, 0x5d, 100, 100), ones},
		{"more plain bytes than data", false, packed(0xe0, 0x5d, 10, MaxPlain), zeros[:10]},
	} {
		var d Decoder
		d.Reset(4096)
		dst := make([]byte, 0, MaxPlain+10)
		if tt.before {
			var err error
			if dst, err = d.Decode(dst, stored, []byte("abc")); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.Decode(dst, tt.chunk, tt.data)
		if !errors.Is(err, ErrDamaged) || len(got)-len(dst) > tt.chunk.Plain {
			t.Errorf("%s: %d bytes, %v", tt.name, len(got), err)
		}
		if after := got[len(dst)+tt.chunk.Plain : len(dst)+tt.chunk.Plain+1][0]; after != 0 {
			t.Errorf("%s: a byte after the plain ones is %x", tt.name, after)
		}
	}
}

// Of a chunk that is cut there are the bytes before the cut.
func TestCut(t *testing.T) {
	var d Decoder
	d.Reset(4096)
	got, err := d.Decode(make([]byte, 0, 10), stored, []byte("ab"))
	if string(got) != "ab" || err != io.ErrUnexpectedEOF {
		t.Errorf("%q, %v", got, err)
	}
}

// Heads are as long as they say, and those of no chunk are damage.
func TestParseHead(t *testing.T) {
	for control := range 256 {
		c, err := ParseHead([]byte{byte(control), 1, 2, 3, 4, 5}[:HeadSize(byte(control))])
		if want := control > 2 && control < 0x80; (err != nil) != want {
			t.Errorf("%02x: %v", control, err)
		}
		if err == nil && (c.Head != HeadSize(byte(control)) || c.Data > MaxData || c.Plain > MaxPlain) {
			t.Errorf("%02x: %+v", control, c)
		}
	}
}
