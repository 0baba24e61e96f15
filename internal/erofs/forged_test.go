package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// forge changes a random byte of the columns of an index file and makes its checksums right again.
func forge(b []byte) {
	le, castagnoli := binary.LittleEndian, crc32.MakeTable(crc32.Castagnoli)
	const magic, page = len("shardfs index 2\n"), 64 << 10
	tail := b[len(b)-magic-4-4*8:]
	columns, sums := b[:le.Uint64(tail)], b[le.Uint64(tail[16:]):]
	at := magic + rand.IntN(len(columns)-magic)
	columns[at] ^= byte(1 << rand.IntN(8))
	n := at / page
	le.PutUint32(sums[4*n:], crc32.Checksum(columns[n*page:min((n+1)*page, len(columns))], castagnoli))
	le.PutUint32(tail[4*8:], crc32.Checksum(b[len(columns):len(b)-magic-4], castagnoli))
}

// With a forged index, reads of the image end, and nothing panics. Bytes of the shard are the right ones, or an error.
func TestForgedIndex(t *testing.T) {
	name := filepath.Join(t.TempDir(), "shard.tar")
	write(t, name, nested()[:600])
	plain, err := os.ReadFile(name)
	check(t, err)
	sidecar := name + shard.SidecarSuffix
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(t, err)
	check(t, errors.Join(sh.Save(t.Context(), sidecar), sh.Close()))
	whole, err := os.ReadFile(sidecar)
	check(t, err)
	failed := 0
	for range 300 {
		b := bytes.Clone(whole)
		forge(b)
		check(t, os.WriteFile(sidecar, b, 0o600))
		sh, err := shard.Open(t.Context(), name, shard.Options{})
		if err != nil {
			continue
		}
		if !readForged(t, view.New(sh), plain) {
			failed++
		}
		check(t, sh.Close())
	}
	if failed == 0 {
		t.Error("all forged indexes were taken for right")
	}
}

// readForged reads an image and its bytes, and reports whether there was no error.
func readForged(t *testing.T, v *view.View, plain []byte) bool {
	t.Helper()
	m, err := New(v, Options{Verify: true})
	if err != nil {
		return false
	}
	for _, a := range m.areas {
		p := make([]byte, min(1<<16, a.unit*a.units))
		if _, err := m.ReadAt(p, a.at); err != nil && err != io.EOF {
			return false
		}
	}
	got := make([]byte, len(plain))
	if _, err := m.Bytes().ReadAt(t.Context(), got, 0); err != nil {
		return false
	}
	if !bytes.Equal(got, plain) {
		t.Error("other bytes are read")
	}
	return true
}
