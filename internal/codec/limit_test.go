package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// zeroStream is a stream of zeros.
type zeroStream struct{ out int64 }

func (e *zeroStream) Read(p []byte) (int, error) {
	e.out += int64(len(p))
	return len(p), nil
}

func TestLimitRatio(t *testing.T) {
	buf := make([]byte, 16<<20)
	for _, tt := range []struct {
		compressed int64
		want       int64 // plain bytes, about
	}{
		{0, freePlain},
		{1000, freePlain},
		{3 * freePlain / maxRatio, 3 * freePlain},
	} {
		in := tt.compressed
		e := new(zeroStream)
		var n int64
		var err error
		for r := limitRatio(e, func() int64 { return in }); err == nil; {
			var read int
			read, err = r.Read(buf)
			n += int64(read)
		}
		if !errors.Is(err, ErrLimit) || n < tt.want || n > tt.want+2*maxRatio+int64(len(buf))*2 {
			t.Errorf("%d compressed bytes: %d plain ones, %v", tt.compressed, n, err)
		}
	}
	// What this program writes is never refused.
	for _, f := range []Format{Gzip, Zstd} {
		var b bytes.Buffer
		w, err := f.NewWriter(&b, 9, 0)
		if err != nil {
			t.Fatal(err)
		}
		const plain = 64 << 20
		if _, err := io.CopyN(w, new(zeroStream), plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if ratio := plain / b.Len(); ratio > maxRatio {
			t.Errorf("%s: zeros are compressed %d-fold, the limit is %d", f, ratio, maxRatio)
		}
	}
	// Nor is a shard of zeros with few plain bytes.
	short := limitRatio(strings.NewReader("abc"), func() int64 { return 0 })
	if n, err := io.Copy(io.Discard, short); n != 3 || err != nil {
		t.Error(n, err)
	}
}

// zstdBlocks returns a frame with a window, with blocks of one repeated byte.
func zstdBlocks(window byte, blocks int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	for i := range blocks {
		h := uint32(zstdMaxBlock<<3 | zstdRLE<<1)
		if i == blocks-1 {
			h |= 1
		}
		frame = append(frame, byte(h), byte(h>>8), byte(h>>16), 'x')
	}
	return frame
}

// Decoding takes less than 256 MiB, regardless of the sizes that the input states.
func TestMemory(t *testing.T) {
	huge := func(size uint64) []byte { // a zstd frame that is its own window
		return binary.LittleEndian.AppendUint64([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, size)
	}
	zeros := make([]byte, 6<<20)
	for _, tt := range []struct {
		name   string
		format Format
		data   []byte
		want   error // nil: none
	}{
		{"zstd window of 128 MiB", Zstd, zstdBlocks(17<<3, 1100), nil},
		{"zstd window of 144 MiB", Zstd, zstdBlocks(17<<3|1, 1), ErrLimit},
		{"zstd window of 3 TB", Zstd, zstdBlocks(255, 1), ErrLimit},
		{"zstd frame of 128 MiB", Zstd, append(huge(128<<20), 1, 0, 0), ErrDamaged},
		{"zstd frame of 129 MiB", Zstd, append(huge(129<<20), 1, 0, 0), ErrLimit},
		{"zstd frame of 2^64 bytes", Zstd, append(huge(1<<64-1), 1, 0, 0), ErrLimit},
		{"many zstd frames", Zstd, bytes.Repeat(zstdBlocks(16<<3, 3), 10), nil},
		{"zstd skippable frame of 4 GiB", Zstd, []byte("\x50\x2a\x4d\x18\xff\xff\xff\xff"), io.ErrUnexpectedEOF},
		{"zstd block of 2 MiB", Zstd, append(zstdBlocks(17<<3, 1)[:6], 0xff, 0xff, 0xff), ErrDamaged},
		{"xz dictionary of 64 MiB", XZ, xzWithDictionary(28, 1, 0, 0, 'x'), io.ErrUnexpectedEOF},
		{"xz dictionary of 4 GiB", XZ, xzWithDictionary(40, 1), ErrLimit},
		{"lz4 block of 2 GiB", LZ4, append(lz4Header(0x60, 0x70), 0xff, 0xff, 0xff, 0x7f), ErrDamaged},
		{"lz4 block of 4 MiB", LZ4, append(lz4Header(0x60, 0x70), 0, 0, 0x40, 0), io.ErrUnexpectedEOF},
		{"lz4 of zeros", LZ4, pipe(t, zeros, "lz4", "-c"), nil},
		{"bzip2 of zeros", Bzip2, pipe(t, zeros, "bzip2", "-c"), nil},
		{"many bzip2 streams", Bzip2, bytes.Repeat(pipe(t, []byte("x"), "bzip2", "-c"), 100), nil},
		{"xz of zeros", XZ, pipe(t, zeros[:2<<20], "xz", "-0", "-c"), nil},
	} {
		d, err := newDecoder(tt.format, maxHistory, func(Checkpoint) {})
		if err != nil {
			t.Fatal(err)
		}
		if err = d.start(bytes.NewReader(tt.data), front); err != nil {
			t.Fatal(err)
		}
		before := heap(true)
		most := uint64(0)
		buf := make([]byte, 1<<20)
		for err == nil {
			_, err = io.ReadFull(d, buf)
			most = max(most, heap(false))
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF { // ReadFull's own
			err = nil
		}
		if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if most > before+256<<20 {
			t.Errorf("%s: %d MiB", tt.name, (most-before)>>20)
		}
	}
}

// heap returns how many bytes of the heap are in use, optionally after a garbage collection.
func heap(collect bool) uint64 {
	if collect {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Errors say at which compressed byte they occurred.
func TestErrorsNameTheByte(t *testing.T) {
	plain := text(10_000, 1)
	for _, f := range []Format{Zstd, Bzip2, XZ, LZ4} {
		data := pipe(t, plain, f.String(), "-c")
		_, _, _, err := unpack(f, data[:len(data)/2], front)
		if err == nil || !strings.Contains(err.Error(), "compressed byte ") {
			t.Errorf("%s: %v", f, err)
		}
		data = slices.Concat(make([]byte, 10), data)
		_, _, _, err = unpack(f, data, front)
		if err == nil || !strings.HasPrefix(err.Error(), "compressed byte 0: damaged") {
			t.Errorf("%s: %v", f, err)
		}
	}
}
