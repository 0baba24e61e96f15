package codec

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// withExtra returns data as gzipWriter writes it, with extra.
func withExtra(t testing.TB, data, extra []byte) []byte {
	var b bytes.Buffer
	w, err := newGzipWriter(&b, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	w.SetExtra(extra)
	return finish(t, &b, w, data)
}

// readMap is ReadMap of bytes.
func readMap(gz []byte) (Map, []byte, bool) {
	return ReadMap(Gzip, bytes.NewReader(gz), int64(len(gz)))
}

func TestReadSeekTable(t *testing.T) {
	words := text(2<<20+1000, 1)
	for size, extras := range map[int][][]byte{
		0:               {nil, []byte("x")},
		1:               {nil, []byte("x"), noise(65_510, 1), noise(65_511, 1), noise(1_000_000, 1)},
		segmentSize:     {nil},
		segmentSize + 1: {nil},
		len(words):      {noise(100_000, 1)},
	} {
		for _, extra := range extras {
			gz := withExtra(t, words[:size], extra)
			m, got, ok := readMap(gz)
			if !ok || !bytes.Equal(got, extra) {
				t.Fatalf("%d bytes with %d extra: %v, %d extra", size, len(extra), ok, len(got))
			}
			if want := max(1, (size+segmentSize-1)/segmentSize); m.Points.Len() != want {
				t.Fatalf("%d bytes: %d checkpoints, want %d", size, m.Points.Len(), want)
			}
			if size > 0 {
				checkMap(t, m, gz, words[:size])
			}
			same(t, decode(t, gz), words[:size])
		}
	}
	// A table of several members, for segments that do not exist.
	var table seekTable
	for i := range 30_000 {
		table.add(segmentSize, 5, uint32(i))
	}
	gz := append([]byte(gzipHeader), make([]byte, table.compressed)...)
	gz = append(gz, deflateEnd+"crc_"...)
	gz = binary.LittleEndian.AppendUint32(gz, uint32(table.plain%(1<<32)))
	gz = append(gz, table.members([]byte("extra"))...)
	m, extra, ok := readMap(gz)
	if !ok || m.Points.Len() != 30_000 || m.Plain != 30_000*segmentSize || string(extra) != "extra" {
		t.Fatalf("%v, %+v", ok, m)
	}
	if c := m.Points.At(20_000); c.Out != 20_000*segmentSize || c.In != 10+5*20_000 || c.Sums[0] != 20_000 {
		t.Fatalf("%+v", c)
	}
}

// ReadMap finds no map in a file that was cut, appended to, concatenated or changed after gzipWriter wrote it. Damage
// of the compressed data is found by the sums.
func TestReadSeekTableRefuses(t *testing.T) {
	words := text(2<<20, 1)
	gz := withExtra(t, words, []byte("some extra bytes"))
	index := seekTableOffset(gz)
	other := compressOwn(t, words[:1000], 1, 1)
	for _, tt := range []struct {
		name string
		gz   []byte
	}{
		{"nothing", nil},
		{"no table", compress(t, words, 1)},
		{"appended byte", append(slices.Clone(gz), 0)},
		{"appended member", slices.Concat(gz, compress(t, words[:100], 1))},
		{"two of them", slices.Concat(other, gz)},
		{"two of them, the other way", slices.Concat(gz, other)},
		{"twice", slices.Concat(gz, gz)},
		{"cut in front", gz[1:]},
		{"data cut out", slices.Concat(gz[:100], gz[200:])},
		{"another member in front", slices.Concat(compress(t, words, 6), gz[index:])},
		{"table only", gz[index:]},
		{"first table member twice", slices.Concat(gz[:index], gz[index:], gz[index:])},
	} {
		if _, _, ok := readMap(tt.gz); ok {
			t.Errorf("%s: has a map", tt.name)
		}
	}
	for n := index - 20; n < len(gz); n++ {
		if _, _, ok := readMap(gz[:n]); ok {
			t.Fatalf("cut at %d of %d: has a map", n, len(gz))
		}
	}
	for i := index - 4; i < len(gz); i++ {
		bad := slices.Clone(gz)
		bad[i] ^= 0x10
		_, extra, ok := readMap(bad)
		inExtra := i >= len(gz)-seekTableFraming-5-16-seekTableTail && i < len(gz)-22
		if ok != inExtra || extra != nil {
			t.Fatalf("byte %d of %d changed: map %v, %d extra", i, len(gz), ok, len(extra))
		}
	}
}

// seekTableOffset returns where the seek table of gz begins.
func seekTableOffset(gz []byte) int {
	return len(gz) - int(binary.LittleEndian.Uint32(gz[len(gz)-len(indexMemberEnd)-len(seekTableMagic)-4:]))
}

// The map that ReadMap returns is in order and harmless to read by, whatever the file contains.
func FuzzSeekTable(f *testing.F) {
	words := text(20_000, 1)
	f.Add(withExtra(f, words, []byte("extra")))
	f.Add(withExtra(f, nil, nil))
	f.Add(compress(f, words, 1))
	f.Fuzz(func(t *testing.T, gz []byte) {
		m, _, ok := readMap(gz)
		if !ok {
			return
		}
		if m.Points.Len() < 1 || m.Points.At(0).Out != 0 || m.Points.Len() > len(gz) ||
			m.Piece <= 0 || m.Piece > maxPiece {
			t.Fatalf("%d checkpoints, piece of %d", m.Points.Len(), m.Piece)
		}
		for i := 1; i < m.Points.Len(); i++ {
			if a, b := m.Points.At(i-1), m.Points.At(i); b.Out <= a.Out || b.In < a.In || b.Out >= m.Plain {
				t.Fatalf("checkpoint %d: %+v after %+v", i, b, a)
			}
		}
		z := openAt(t, bytes.NewReader(gz), len(gz), m)
		p := make([]byte, 1000)
		for _, off := range []int64{0, m.Plain / 2, m.Plain - 10} {
			z.ReadAt(t.Context(), p, max(0, off))
		}
	})
}
