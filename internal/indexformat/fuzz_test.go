package indexformat

import (
	"bytes"
	"errors"
	"testing"

	"github.com/shardfs/shardfs/index"
)

// FuzzImport imports arbitrary bytes. An accepted index is consistent, one that passes Check describes the shard, and
// none gives wrong bytes when it is used without that.
func FuzzImport(f *testing.F) {
	s := shardOf(f, makeTar(f, golden...))
	formats := []Format{WDS2IDX, Energon, HuggingFace}
	for i, format := range formats {
		text, _ := export(f, format, s)
		f.Add(uint8(i), []byte(text))
	}
	f.Add(uint8(0), []byte("v1.1 2\njpg 512 5 txt 1536 0\njpg 3072 1\n"))
	f.Add(uint8(2), []byte(`{"x": [1], "files": {"a\udcff": {"offset": 512, "size": 5, "sha256": null}}}`))
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		format := formats[kind%3]
		h, err := Import(bytes.NewReader(text), format, s.Size)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrDiffers) {
				t.Fatalf("%v", err)
			}
			return
		}
		if 8*len(h.starts) > len(text) || 8*len(h.members) > len(text) {
			t.Fatalf("%d members and %d samples in %d bytes", len(h.members), len(h.starts), len(text))
		}
		last := int64(-1)
		for _, m := range h.members {
			if m.offset <= last || m.offset%index.BlockSize != 0 || m.size < 0 || m.offset+m.size > s.Size {
				t.Fatalf("member %+v after %d", m, last)
			}
			last = m.offset + m.size - 1
		}
		checkProvisional(t, h, s)
		_, verifyErr := h.Verify(s.Plain)
		if err := h.Check(s.Index); err != nil {
			if !errors.Is(err, ErrDiffers) {
				t.Fatal(err)
			}
			return
		}
		if verifyErr != nil {
			return
		}
		// An index that passes Check has every sample member that the format does not leave out.
		switch format {
		case Energon:
			if len(h.starts) != s.Index.Samples()+1 {
				t.Fatalf("%d samples are proven to be %d", s.Index.Samples(), len(h.starts)-1)
			}
		case WDS2IDX:
			if h.samples != s.Index.Samples()-1 {
				t.Fatalf("%d samples are proven to be %d", s.Index.Samples()-1, h.samples)
			}
		}
	})
}
