package codec

import (
	"bytes"
	"compress/bzip2"
	"io"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/therootcompany/xz"
)

// fuzzPlain is the most that a fuzzed input may decode to.
const fuzzPlain = 8 << 20

// fuzzDecoder compares a decoder with another reader of the format: input that the reader accepts, the decoder accepts
// too, and before an error both return the same bytes. Decoding from any offered place gives the rest.
func fuzzDecoder(t *testing.T, f Format, data []byte, other io.Reader) {
	want, wantErr := io.ReadAll(io.LimitReader(other, fuzzPlain))
	d, err := newDecoder(f, maxHistory, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.start(bytes.NewReader(data), front); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.LimitReader(d, fuzzPlain))
	n := min(len(got), len(want))
	if !bytes.Equal(got[:n], want[:n]) {
		t.Fatalf("other bytes than another reader: %d and %d", len(got), len(want))
	}
	if wantErr == nil && (err != nil || len(got) != len(want)) {
		t.Fatalf("%d bytes, %v; another reader reads %d", len(got), err, len(want))
	}
	if err != nil || len(got) == fuzzPlain {
		return
	}
	_, points, _, _ := unpack(f, data, front)
	for i := 0; i < len(points); i += 1 + len(points)/5 {
		rest, _, _, err := unpack(f, data, points[i])
		if err != nil || !bytes.Equal(rest, got[points[i].Out:]) {
			t.Fatalf("from place %d: %d bytes of %d, %v", i, len(rest), len(got)-int(points[i].Out), err)
		}
	}
}

func FuzzZstd(f *testing.F) {
	a, table := zstdFrames(f, false, text(500, 1), noise(50, 1))
	f.Add(a)
	f.Add(append(a, table...))
	f.Add(zstdBlocks(0, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h zstd.Header
		if h.Decode(data) == nil && h.DictionaryID != 0 {
			return
		}
		other, err := zstd.NewReader(bytes.NewReader(data),
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxHistory),
			zstd.WithDecoderMaxMemory(maxHistory))
		if err != nil {
			return
		}
		defer other.Close()
		if len(data) < 4 || Detect(data) != Zstd { // zstd.Decoder takes a few bytes for the end
			return
		}
		plain, _, _, err := unpack(Zstd, data, front)
		if err != nil { // the decoder is stricter about what follows a frame
			want, _ := io.ReadAll(io.LimitReader(other, fuzzPlain))
			if n := min(len(plain), len(want)); !bytes.Equal(plain[:n], want[:n]) {
				t.Fatal("other bytes than zstd.Decoder")
			}
			return
		}
		fuzzDecoder(t, Zstd, data, other)
	})
}

// Each frame of a map from ReadMap decodes to the size in the map, or not at all.
func FuzzZstdMap(f *testing.F) {
	frames, table := zstdFrames(f, false, text(500, 1), noise(50, 1))
	_, sums := zstdFrames(f, true, text(500, 1), noise(50, 1))
	f.Add(append(bytes.Clone(frames), table...))
	f.Add(append(bytes.Clone(frames), sums...))
	f.Add(frames)
	f.Add(packZstd(f, text(300, 1), 1, 1, []byte("some note")))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, _, ok := ReadMap(Zstd, bytes.NewReader(data), int64(len(data)))
		if !ok {
			return
		}
		if m.Points.Len() == 0 || m.Plain < 0 {
			t.Fatal("empty map")
		}
		last := m.Points.At(0)
		if last.Out != 0 || last.In != 0 {
			t.Fatalf("first frame at %d, %d", last.Out, last.In)
		}
		for i := range m.Points.Len() {
			c := m.Points.At(i)
			if c.Out < last.Out || c.Out > m.Plain || c.In < last.In || c.In > int64(len(data)) || len(c.Sums) > 1 {
				t.Fatalf("frame %d at %d, %d of %d, %d", i, c.Out, c.In, m.Plain, len(data))
			}
			last = c
		}
	})
}

func FuzzBzip2(f *testing.F) {
	for _, seed := range []string{
		// "hello hello hello"
		"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x9e\x62\x5b\xfe\x00\x00\x02\x91\x00\x40" +
			"\x00\x02\x44\xa0\x00\x21\x14\x60\x66\x82\x91\xef\x23\x47\x0b\xb9\x22\x9c\x28\x48\x4f\x31\x2d\xff\x00",
		"BZh9\x17rE8P\x90\x00\x00\x00\x00",
	} {
		f.Add([]byte(seed))
		f.Add([]byte(seed + seed))
		if _, _, _, err := unpack(Bzip2, []byte(seed), front); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(bzip2Text("abracadabra").stream("abracadabra"))
	f.Add(bzip2Text("\x01\x01\x01\x01\x00\x01\x02").stream("\x01\x01\x01\x01\x01\x02"))
	_, err := exec.LookPath("bzip2")
	tool := err == nil
	f.Fuzz(func(t *testing.T, data []byte) {
		// compress/bzip2 reads codes with gaps, and runs of four that the same byte follows, otherwise than bzip2 does.
		want, wantErr := io.ReadAll(io.LimitReader(bzip2.NewReader(bytes.NewReader(data)), fuzzPlain))
		got, _, _, err := unpack(Bzip2, data, front)
		sameAhead(t, Bzip2, data)
		n := min(len(got), len(want))
		if bytes.Equal(got[:n], want[:n]) && (err == nil || wantErr != nil) {
			fuzzDecoder(t, Bzip2, data, bzip2.NewReader(bytes.NewReader(data)))
			return
		}
		if !tool {
			return
		}
		if out, ok := bzip2Tool(data); ok != (err == nil) || ok && !bytes.Equal(out, got) {
			t.Fatalf("%d bytes, %v; compress/bzip2 %d, %v; bzip2 %d, %v",
				len(got), err, len(want), wantErr, len(out), ok)
		}
	})
}

func FuzzXZ(f *testing.F) {
	chunk := []byte("\x01\x00\x02abc\x00\x00") // stored; the last byte is padding
	b := append(xzWithDictionary(0, chunk...), "\xc2\x41\x24\x35"...)
	index := appendXZIndex(nil, uint64(len(b)-xzHeaderSize-1), 3)
	b = appendXZFooter(append(b, index...), len(index), 1)
	f.Add(b)
	f.Add(append(append(bytes.Clone(b), 0, 0, 0, 0), b...))
	if plain, _, _, err := unpack(XZ, b, front); string(plain) != "abc" || err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("\xfd\x37\x7a\x58\x5a\x00\x00\x00\xff\x12\xd9\x41\x02\x00\x21\x01\x16\x00\x00\x00" +
		"\x74\x2f\xe5\xa3\xe0" +
		"\x00\x9f\x00\x32\x5d\x00\x3a\x1a\x08\xce\x76\xc7\xe5\xe9\xd6\x07\x34\xc3\xd1\x0e\xbf\xce\x55\xe1\xaa" +
		"\xbd\xe1\x17\xea\x53\x95\xbf\x9d\x6f\xbf\x43\xd6\xbd\x91\x8d\x69\xa6\x06\x80\x9a\xdf\xf8\x1a\x80\x5c" +
		"\x0f\xb9\x89\x0a\x04\x53\x00\x00\x00\x00\x01\x46\xa0\x01\x00\x00\x00\x5f\xc5\xcf\xd2\xa8\x00\x0a\xfc" +
		"\x02\x00\x00\x00\x00\x00\x59\x5a")) // a chunk that is compressed
	f.Fuzz(func(t *testing.T, data []byte) {
		other, err := xz.NewReader(bytes.NewReader(data), xzMaxDictionary)
		if err != nil {
			return
		}
		fuzzDecoder(t, XZ, data, other)
		sameAhead(t, XZ, data)
	})
}

func FuzzLZ4(f *testing.F) {
	block := "\x03\x00\x00\x80abc\x09\x00\x00\x00\x00\x03\x00\x50vwxyz\x00\x00\x00\x00"
	for _, flags := range []byte{0x60, 0x40} {
		f.Add(append(lz4Header(flags, 0x40), block...))
	}
	f.Add([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00?"))
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, _, _, err := unpack(LZ4, data, front)
		if err != nil || len(plain) == 0 { // the other reader is laxer about what follows a frame
			return
		}
		fuzzDecoder(t, LZ4, data, lz4.NewReader(bytes.NewReader(data)))
	})
}
