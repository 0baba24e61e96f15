package codec

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// longMember returns a gzip member of more than 4 GiB, zeros followed by tail, and its plain length.
func longMember(t *testing.T, tail []byte) (gz []byte, size int64) {
	zeros := make([]byte, 64<<20)
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	flush := func(p []byte) []byte {
		b.Reset()
		w.Reset(&b)
		w.Write(p)
		w.Flush()
		return bytes.Clone(b.Bytes())
	}
	gz = []byte(gzipHeader)
	crc := uint32(0)
	for part := flush(zeros); size <= 1<<32; size += int64(len(zeros)) {
		gz = append(gz, part...)
		crc = crc32.Update(crc, crc32.IEEETable, zeros)
	}
	gz = append(gz, flush(tail)...)
	gz = append(gz, deflateEnd...)
	size += int64(len(tail))
	gz = binary.LittleEndian.AppendUint32(gz, crc32.Update(crc, crc32.IEEETable, tail))
	return binary.LittleEndian.AppendUint32(gz, uint32(size)), size
}

// A member can be longer than 4 GiB, and what follows can be read at random like everything else.
func TestLongMember(t *testing.T) {
	if testing.Short() || raceDetector {
		skip.Without(t, "a build without the race detector, which make test tries, too: 4 GiB take it half a minute")
	}
	tail := text(100_000, 1)
	gz, size := longMember(t, tail)
	z := newReader(t, bytes.NewReader(gz), 0)
	if n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{z}, make([]byte, 256<<10)); n != size || err != nil {
		t.Fatalf("%d bytes of %d, %v", n, size, err)
	}
	at := openAt(t, bytes.NewReader(gz), len(gz), z.Map())
	got := make([]byte, len(tail)+1000)
	if n, err := at.ReadAt(t.Context(), got, size-int64(len(got))); n != len(got) || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	same(t, got, slices.Concat(make([]byte, 1000), tail))
	n, err := at.ReadAt(t.Context(), got[:100], 1<<32-50)
	if n != 100 || err != nil || !bytes.Equal(got[:100], make([]byte, 100)) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}
