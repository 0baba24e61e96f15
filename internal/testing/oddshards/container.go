package oddshards

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// The containers below are written by hand, with content that is stored, so that they do not change with a library.

// gz returns a gzip member. extra is the extra field of its header.
func gz(data []byte, extra ...byte) []byte {
	out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}
	if len(extra) > 0 {
		out[3] = 4
		out = append(binary.LittleEndian.AppendUint16(out, uint16(len(extra))), extra...)
	}
	chunks := slices.Collect(slices.Chunk(data, 65535))
	if len(chunks) == 0 {
		chunks = [][]byte{nil}
	}
	for i, c := range chunks {
		last := byte(0)
		if i == len(chunks)-1 {
			last = 1
		}
		out = binary.LittleEndian.AppendUint16(append(out, last), uint16(len(c)))
		out = append(binary.LittleEndian.AppendUint16(out, ^uint16(len(c))), c...)
	}
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}

// zst returns a frame of zstd.
func zst(data []byte) []byte {
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0} // one segment, its size in four bytes
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	for {
		n := min(len(data), 1<<17)
		head := uint32(n) << 3
		if n == len(data) {
			head |= 1 // the last block, which has to be there
		}
		out = append(out, byte(head), byte(head>>8), byte(head>>16))
		out, data = append(out, data[:n]...), data[n:]
		if len(data) == 0 {
			return out
		}
	}
}

// lz4 returns a frame of lz4.
func lz4(data []byte) []byte {
	out := []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73} // independent blocks of at most 4 MiB
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data))|1<<31)
	return append(append(out, data...), 0, 0, 0, 0)
}

// xz returns a stream of xz: one block, or none if there are no data.
func xz(data []byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	fill := func(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }
	flags := []byte{0, 1} // CRC-32
	out := append([]byte("\xfd7zXZ\x00"), sum(slices.Clone(flags))...)
	index := []byte{0, 0}
	if len(data) > 0 {
		blockHead := sum([]byte{2, 0, 0x21, 1, 22, 0, 0, 0})
		var body []byte
		for i, c := range slices.Collect(slices.Chunk(data, 65536)) {
			control := byte(2)
			if i == 0 {
				control = 1
			}
			body = append(body, control, byte((len(c)-1)>>8), byte(len(c)-1))
			body = append(body, c...)
		}
		body = append(body, 0)
		unpadded := len(blockHead) + len(body) + 4
		out = append(append(out, blockHead...), fill(body)...)
		out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
		index = binary.AppendUvarint([]byte{0, 1}, uint64(unpadded))
		index = binary.AppendUvarint(index, uint64(len(data)))
	}
	index = sum(fill(index))
	foot := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = append(out, index...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(foot))
	return append(append(out, foot...), "YZ"...)
}

// decoded returns the bytes of a constant in base64.
func decoded(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil // the test of this package compares what the constants hold
	}
	return b
}
