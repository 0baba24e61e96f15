package index

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// An index from a file is compared with the shard when a member is first used.
func TestCheck(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("d/", 100) + "a.x"
	plain := makeTar(t, "a.x", "README", long, "b.x->", "b.x", "b.x", "./c.y")
	whole := encode(t, &File{Index: build(t, plain)})
	fresh := func() *Index {
		f, err := decode(whole)
		if err != nil {
			t.Fatal(err)
		}
		return f.Index
	}
	x := fresh()
	for row := range x.Rows() {
		r, err := x.Open(row, bytes.NewReader(plain))
		if err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		data, size := x.Content(row)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain[data:data+size]) {
			t.Errorf("row %d holds %q, %v, want %q", row, got, err, plain[data:data+size])
		}
	}
	// Headers that agree are not read again.
	if err := x.Check(0, bytes.NewReader(nil)); err != nil {
		t.Error(err)
	}
	if err := build(t, plain).Check(0, bytes.NewReader(nil)); err != nil {
		t.Errorf("an index that was built: %v", err)
	}
	for at := range plain[:x.End()] {
		row := x.rowAt(int64(at))
		data, _ := x.Content(row)
		if int64(at) >= data || at%BlockSize == 155 {
			continue // not of a header, or after the digits of the checksum
		}
		other := bytes.Clone(plain)
		other[at] ^= 1
		x := fresh()
		if _, err := x.Open(row, bytes.NewReader(other)); !errors.Is(err, ErrStale) {
			t.Fatalf("byte %d of the header of row %d changed: %v, want %v", at, row, err, ErrStale)
		}
		if !errors.Is(x.Err(), ErrStale) {
			t.Errorf("Err: %v, want %v", x.Err(), ErrStale)
		}
	}
	if _, err := fresh().Open(4, iotestReaderAt{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a shard that cannot be read: %v, want %v", err, io.ErrNoProgress)
	}
	for _, row := range []int{-1, x.Rows(), 1 << 40} {
		if err := fresh().Check(row, bytes.NewReader(plain)); !errors.Is(err, ErrStale) {
			t.Errorf("row %d: %v, want %v", row, err, ErrStale)
		}
	}
}

// rowAt returns the row of the entry at an offset.
func (x *Index) rowAt(off int64) int { return x.c.header.search(uint64(off)+1) - 1 }

// iotestReaderAt fails to read.
type iotestReaderAt struct{}

func (iotestReaderAt) ReadAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }

// The shard's headers expose an index file that was changed together with its checksums: every served file is in the
// shard under that name.
func TestCheckFalseIndex(t *testing.T) {
	t.Parallel()
	plain := makeTar(t, "a.x", "b.x", "c.x", "d.x")
	whole := encode(t, &File{Index: build(t, plain)})
	want := make(map[string]int64)
	x := build(t, plain)
	for _, key := range []string{"a", "b", "c", "d"} {
		number, _ := x.FindKey(key)
		want[key], _ = x.Content(x.Sample(number).Start)
	}
	found := 0
	for at := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[at] ^= 1 << bit
			seal(b)
			f, err := decode(b)
			if err != nil {
				continue
			}
			for key, data := range want {
				number, ok := f.Index.FindKey(key)
				if !ok {
					continue
				}
				row, ok := f.Index.FindFile(number, "sample.x")
				if !ok {
					continue
				}
				if _, err := f.Index.Open(row, bytes.NewReader(plain)); err != nil {
					found++
					continue
				}
				if got, _ := f.Index.Content(row); got != data {
					t.Fatalf("byte %d, bit %d changed: %s is at byte %d, want %d", at, bit, key, got, data)
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("%d false entries found: the test proves nothing", found)
	}
}
