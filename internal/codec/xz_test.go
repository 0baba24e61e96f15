package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
)

// xzWithDictionary returns the start of a shard whose block asks for a dictionary: 2 or 3 times a power of two.
func xzWithDictionary(size byte, data ...byte) []byte {
	b := appendXZHeader(nil, 1)
	head := []byte{2, 0, xzLZMA2ID, 1, size, 0, 0, 0}
	b = append(b, head...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
	return append(b, data...)
}

const xzLZMA2ID = 0x21

// The error for valid but unsupported input is ErrLimit.
func TestXZLimits(t *testing.T) {
	unknownCheck := append([]byte(xzMagic), 0, 3)
	unknownCheck = binary.LittleEndian.AppendUint32(unknownCheck, crc32.ChecksumIEEE([]byte{0, 3}))
	unknownFilter := xzWithDictionary(18, 0, 0, 0, 0)
	unknownFilter[14] = 0x40
	binary.LittleEndian.PutUint32(unknownFilter[20:], crc32.ChecksumIEEE(unknownFilter[12:20]))
	for name, data := range map[string][]byte{
		"dictionary of 96 MiB": xzWithDictionary(29, 0),
		"dictionary of 4 GiB":  xzWithDictionary(40, 0),
		"check":                unknownCheck,
		"filter":               unknownFilter,
	} {
		if _, _, _, err := unpack(XZ, data, front); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, _, err := unpack(XZ, xzWithDictionary(28, 1, 0, 0, 'x'), front); errors.Is(err, ErrLimit) {
		t.Error("a dictionary of 64 MiB is refused")
	}
}

// The index is compared with the blocks if they were decoded from the start of the stream.
func TestXZIndex(t *testing.T) {
	plain := text(50_000, 1)
	data := pipe(t, plain, "xz", "-T1", "--block-size=10000", "-c")
	other := pipe(t, plain, "xz", "-T1", "--block-size=25000", "-c")
	end := func(b []byte) int { return len(b) - xzHeaderSize - (int(binary.LittleEndian.Uint32(b[len(b)-8:]))+1)*4 }
	mixed := slices.Concat(data[:end(data)], other[end(other):])
	got, points, _, err := unpack(XZ, mixed, front)
	if !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	same(t, got, plain)
	if got, _, _, err = unpack(XZ, mixed, points[2]); err != nil {
		t.Fatal(err)
	}
	same(t, got, plain[points[2].Out:])
}

// The State of a checkpoint is the check of its stream.
func TestXZCheckpointChecks(t *testing.T) {
	plain := text(50_000, 1)
	for i, check := range []string{"none", "crc32", "crc64", "sha256"} {
		data := pipe(t, plain, "xz", "--block-size=10000", "-C", check, "-c")
		_, points, _, err := unpack(XZ, data, front)
		if err != nil {
			t.Fatal(err)
		}
		if len(points) != 5 || int(points[4].State) != i {
			t.Errorf("%s: %v", check, points)
		}
		if i == 0 {
			continue
		}
		bad := bytes.Clone(data)
		bad[points[4].In+100] ^= 1
		if _, _, _, err := unpack(XZ, bad, points[4]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", check, err)
		}
	}
	if _, _, _, err := unpack(XZ, nil, Checkpoint{State: 4, In: 0}); err == nil {
		t.Error("no error")
	}
}
