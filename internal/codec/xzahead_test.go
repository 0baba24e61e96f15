package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"
)

// All blocks but the first are decoded ahead where their headers state their sizes; the memory for that is bounded.
func TestXZTakesAhead(t *testing.T) {
	plain := text(1_000_000, 1)
	data := pipe(t, plain, "xz", "-0", "-T2", "--block-size=50KiB", "-c")
	d := newXZDecoder(maxHistory, nil)
	d.parallel(3, MaxAhead)
	blocks, ahead := 0, 0
	d.offer = func(Checkpoint) {
		if blocks++; d.task != nil {
			ahead++
		}
		if d.ahead.held > 4*2*50<<10 {
			t.Errorf("%d bytes in memory", d.ahead.held)
		}
	}
	if err := d.start(bytes.NewReader(data), front); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	if blocks < 19 || ahead != blocks-1 || d.ahead.held != 0 || len(d.ahead.idle) > 4 {
		t.Errorf("%d of %d blocks ahead, %d bytes still held, %d tasks", ahead, blocks, d.ahead.held, len(d.ahead.idle))
	}
}

// Where there is little memory, no block is decoded ahead.
func TestAheadInLittleMemory(t *testing.T) {
	plain := text(1_000_000, 1)
	x := newXZDecoder(maxHistory, nil)
	x.parallel(3, 20<<10)
	b := newBzip2Decoder(nil)
	b.parallel(3, 2*bzip2Memory)
	for _, p := range []struct {
		d    decoder
		data []byte
	}{
		{x, pipe(t, plain, "xz", "-0", "-T2", "--block-size=50KiB", "-c")}, {b, pipe(t, plain, "bzip2", "-1", "-c")},
	} {
		if err := p.d.start(bytes.NewReader(p.data), front); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(p.d)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, plain)
	}
	if x.ahead.tasks != nil || x.ahead.idle != nil || b.ahead != nil {
		t.Errorf("blocks are decoded ahead: %+v, %+v", x.ahead, b.ahead)
	}
}

// A block that is damaged, cut, or not as its header states gives what the decoder alone gives.
func TestXZAheadDamaged(t *testing.T) {
	data := pipe(t, text(150_000, 1), "xz", "-0", "-T2", "--block-size=25000", "-c")
	_, points, _, err := unpack(XZ, data, front)
	if err != nil || len(points) < 6 {
		t.Fatal(points, err)
	}
	for _, block := range []int64{points[1].In, points[3].In, points[5].In} {
		size := (int64(data[block]) + 1) * 4
		for at := block; at < block+size+20; at++ {
			bad := bytes.Clone(data)
			bad[at] ^= 1
			sameAhead(t, XZ, bad)
			if at < block+size-4 {
				binary.LittleEndian.PutUint32(bad[block+size-4:], crc32.ChecksumIEEE(bad[block:block+size-4]))
				sameAhead(t, XZ, bad)
			}
		}
		sameAhead(t, XZ, data[:block+size+1000])
	}
	broken := errors.New("broken wire")
	for _, at := range []int64{points[1].In + 1, points[2].In + 100, points[4].In, int64(len(data)) - 5} {
		want, _, _, _ := unpack(XZ, data[:at], front)
		got, _, _, err := ahead(XZ, 3, io.MultiReader(bytes.NewReader(data[:at]), iotest.ErrReader(broken)))
		if same(t, got, want); !errors.Is(err, broken) {
			t.Errorf("broken at %d: %v", at, err)
		}
	}
}
