package codec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// The map from the indexes of a shard has the places that a pass finds.
func TestXZMap(t *testing.T) {
	plain := text(300_000, 1)
	threads := pipe(t, plain, "xz", "-0", "-T2", "--block-size=50000", "-c")
	other := pipe(t, plain[:70_000], "xz", "-0", "-T2", "--block-size=50000", "-C", "sha256", "-c")
	empty := pipe(t, nil, "xz", "-c")
	single := pipe(t, plain, "xz", "-0", "-T1", "-c")
	for _, tt := range []struct {
		name   string
		data   []byte
		blocks int // 0: no map
	}{
		{"threads", threads, 6},
		{"two streams", slices.Concat(threads, other), 8},
		{"padding", slices.Concat(threads, make([]byte, 8), other, make([]byte, 4)), 8},
		{"empty stream", slices.Concat(empty, threads, empty), 6},
		{"sizes not stated", single, 0},
		{"one stream without sizes", slices.Concat(single, threads), 0},
		{"empty", empty, 0},
		{"cut", threads[:len(threads)-1], 0},
		{"cut in front", threads[1:], 0},
		{"garbage after", slices.Concat(threads, []byte("xxxx")), 0},
		{"zeros", make([]byte, 100), 0},
		{"nothing", nil, 0},
	} {
		m, _, ok := readXZMap(bytes.NewReader(tt.data), int64(len(tt.data)))
		if ok != (tt.blocks > 0) || ok && m.Points.Len() != tt.blocks {
			t.Errorf("%s: %v, %v", tt.name, m, ok)
			continue
		}
		if !ok {
			continue
		}
		got, points, _, err := unpack(XZ, tt.data, front)
		if err != nil || m.Plain != int64(len(got)) {
			t.Fatalf("%s: map of %d plain bytes, not %d; %v", tt.name, m.Plain, len(got), err)
		}
		for i, c := range points {
			if p := m.Points.At(i); p.Out != c.Out || p.In != c.In || p.State != c.State || p.Member != c.Member {
				t.Errorf("%s: block %d at %v, want %v", tt.name, i, p, c)
			}
		}
	}
}

// A damaged index is not used.
func TestXZMapDamaged(t *testing.T) {
	plain := text(30_000, 1)
	data := pipe(t, plain, "xz", "-0", "-T2", "--block-size=5000", "-c")
	index := xzHeaderSize + 4*(1+int(binary.LittleEndian.Uint32(data[len(data)-8:])))
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		bad := bytes.Clone(data)
		bad[len(bad)-1-r.IntN(index)] ^= 1 << r.IntN(8)
		if _, _, ok := readXZMap(bytes.NewReader(bad), int64(len(bad))); ok {
			t.Fatal("a damaged index is believed")
		}
	}
}

func FuzzXZMap(f *testing.F) {
	head := appendXZHeader(nil, 0)
	f.Add(appendXZFooter(append(head, appendXZIndex(nil, 30, 3)...), 8, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _, ok := readXZMap(bytes.NewReader(data), int64(len(data)))
		if !ok {
			return
		}
		got, _, _, err := unpack(XZ, data, front)
		if err == nil && int64(len(got)) != m.Plain {
			t.Fatalf("map of %d plain bytes, not %d", m.Plain, len(got))
		}
	})
}
