package codec

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// The blocks before a damaged one are decoded, and decoding can start at those after it.
func TestBzip2DamagedBlock(t *testing.T) {
	plain := noise(250_000, 1)
	data := pipe(t, plain, "bzip2", "-1", "-c")
	_, points, _, err := unpack(Bzip2, data, front)
	if err != nil || len(points) != 3 {
		t.Fatal(points, err)
	}
	bad := bytes.Clone(data)
	bad[points[1].In+10_000] ^= 1
	got, _, _, err := unpack(Bzip2, bad, front)
	if !errors.Is(err, ErrDamaged) || len(got) < int(points[1].Out) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	same(t, got[:points[1].Out], plain[:points[1].Out])
	if got, _, _, err = unpack(Bzip2, bad, points[2]); err != nil {
		t.Fatal(err)
	}
	same(t, got, plain[points[2].Out:])
}

// The checksum of a whole stream is verified too, and many empty streams need no stack.
func TestBzip2Streams(t *testing.T) {
	empty := pipe(t, nil, "bzip2", "-c")
	got, points, _, err := unpack(Bzip2, bytes.Repeat(empty, 100_000), front)
	if err != nil || len(got) > 0 || len(points) > 0 {
		t.Fatalf("%d bytes, %d places, %v", len(got), len(points), err)
	}
	data := pipe(t, []byte("some text"), "bzip2", "-c")
	data[len(data)-2] ^= 0x10 // in the checksum of the stream, wherever it begins
	if got, _, _, err = unpack(Bzip2, data, front); string(got) != "some text" || !errors.Is(err, ErrDamaged) {
		t.Fatalf("%q, %v", got, err)
	}
}

// A checkpoint that is not at a block is an error, for any bit.
func TestBzip2WrongCheckpoint(t *testing.T) {
	data := pipe(t, text(10_000, 1), "bzip2", "-c")
	for bit := range uint8(10) {
		_, _, _, err := unpack(Bzip2, data, Checkpoint{In: 100, State: bit})
		if err == nil || err == io.EOF {
			t.Errorf("bit %d: no error", bit)
		}
	}
}
