package codec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// zstdFrames returns one frame for each piece, and their seek table as other tools write it.
func zstdFrames(t testing.TB, sums bool, pieces ...[]byte) (frames, table []byte) {
	e, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true), zstd.WithZeroFrames(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		frame := e.EncodeAll(p, nil)
		frames = append(frames, frame...)
		table = binary.LittleEndian.AppendUint32(table, uint32(len(frame)))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(p)))
		if sums {
			table = append(table, "XXH."...)
		}
	}
	table = binary.LittleEndian.AppendUint32(table, uint32(len(pieces)))
	if sums {
		table = append(table, 0x80)
	} else {
		table = append(table, 0)
	}
	table = append(table, zstdTableEnd...)
	head := binary.LittleEndian.AppendUint32([]byte(zstdTableMagic), uint32(len(table)))
	return frames, append(head, table...)
}

// A map is returned only if it is right.
func TestZstdMap(t *testing.T) {
	a, b := text(50_000, 1), text(1000, 2)
	plain := slices.Concat(a, b)
	frames, table := zstdFrames(t, false, a, b)
	_, sums := zstdFrames(t, true, a, b)
	noSize := pipe(t, plain, "zstd", "-c") // from a pipe, so that zstd does not know the size
	skip := []byte("\x50\x2a\x4d\x18\x02\x00\x00\x00..")
	own := packZstd(t, plain, 1, 1, []byte("note"))

	for _, tt := range []struct {
		name   string
		data   []byte
		frames int // 0: no map
		extra  string
	}{
		{"own", own, 1, "note"},
		{"own, without extra bytes", packZstd(t, plain, 1, 1, nil), 1, ""},
		{"table of other tools", slices.Concat(frames, table), 0, ""},
		{"table with sums", slices.Concat(frames, sums), 0, ""},
		{"no table", frames, 0, ""},
		{"no table, skippable frame", slices.Concat(skip, frames), 0, ""},
		{"skippable frame in front", slices.Concat(skip, own), 0, ""},
		{"appended", slices.Concat(own, own), 0, ""},
		{"garbage after", slices.Concat(frames, table, []byte("x")), 0, ""},
		{"cut", frames[:len(frames)-1], 0, ""},
		{"cut table", own[:len(own)-1], 0, ""},
		{"size not stated", noSize, 0, ""},
		{"nothing", nil, 0, ""},
		{"gzip", compress(t, plain, 1), 0, ""},
	} {
		m, extra, ok := ReadMap(Zstd, bytes.NewReader(tt.data), int64(len(tt.data)))
		if ok != (tt.frames > 0) || ok && m.Points.Len() != tt.frames || string(extra) != tt.extra {
			t.Errorf("%s: %v, extra %q, %v", tt.name, m, extra, ok)
			continue
		}
		if ok {
			checkFrames(t, tt.data, m)
		}
	}
}

// checkFrames fails the test unless data decodes by m as it decodes from the front.
func checkFrames(t *testing.T, data []byte, m Map) {
	t.Helper()
	plain, _, _, err := unpack(Zstd, data, front)
	if err != nil {
		t.Fatal(err)
	}
	if m.Plain != int64(len(plain)) {
		t.Fatalf("map of %d plain bytes, not %d", m.Plain, len(plain))
	}
	for i := range m.Points.Len() {
		c := m.Points.At(i)
		got, _, _, err := unpack(Zstd, data, c)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, plain[c.Out:])
	}
}

// Extra bytes are found whole or not at all.
func TestZstdNotes(t *testing.T) {
	plain, extra := text(10_000, 1), noise(100_000, 2)
	data := packZstd(t, plain, 1, 1, extra)
	r := rand.New(rand.NewPCG(1, 1))
	start := len(packZstd(t, plain, 1, 1, nil)) - 100
	for range 200 {
		bad := bytes.Clone(data)
		bad[start+r.IntN(len(data)-start)] ^= 1 << r.IntN(8)
		if _, got, _ := ReadMap(Zstd, bytes.NewReader(bad), int64(len(bad))); got != nil && !bytes.Equal(got, extra) {
			t.Fatal("wrong bytes beside the data")
		}
	}
	// More than one part of them, which must stand in order.
	var table zstdTable
	table.add(1000, 100, 1)
	big := make([]byte, zstdNotePart+1000)
	copy(big[zstdNotePart-4:], "across two parts")
	notes := table.appendNote(nil, big)
	got, err := readZstdNotes(bytes.NewReader(notes), 0, int64(len(notes)))
	if err != nil || !bytes.Equal(got[4:], big) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	end := int64(zstdSkippable + zstdNoteHead + zstdNotePart + 4)
	if got, err := readZstdNotes(bytes.NewReader(notes), 0, end); got != nil || err != nil {
		t.Fatalf("%d bytes of the first part alone, %v", len(got), err)
	}
}

// A table that claims too much needs no memory.
func TestZstdTableClaims(t *testing.T) {
	for _, tail := range []string{
		"\xff\xff\xff\xff\x00" + zstdTableEnd,
		"\x00\x00\x40\x00\x00" + zstdTableEnd,
		"\x01\x00\x00\x00\x00" + zstdTableEnd,
		zstdTableEnd,
	} {
		data := "\x28\xb5\x2f\xfd" + tail
		allocated := testing.AllocsPerRun(1, func() {
			if _, _, ok := ReadMap(Zstd, bytes.NewReader([]byte(data)), int64(len(data))); ok {
				t.Errorf("map of %q", data)
			}
		})
		if allocated > 100 {
			t.Errorf("%q: %v allocations", data, allocated)
		}
	}
	// A file that ends before its size says.
	if _, _, ok := ReadMap(Zstd, bytes.NewReader(nil), 1<<40); ok {
		t.Error("map of nothing")
	}
}
