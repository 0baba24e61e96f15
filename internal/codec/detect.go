package codec

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Detect returns the format of a shard by its first bytes, at most 10. A shard that is too short for a magic number is
// Plain.
func Detect(head []byte) Format {
	for i, r := range formats {
		if r.begins(head) {
			return Format(i)
		}
	}
	return Plain
}

// magic returns a function that reports whether bytes begin with a magic number.
func magic(prefix string) func(head []byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(prefix)) }
}

// DetectAt is Detect for bytes that can be read at any offset. It skips skippable frames, with which both zstd and lz4
// can begin. After more of them than any tool writes it returns Zstd.
func DetectAt(r io.ReaderAt) (Format, error) {
	const maxFrames = 1000
	head := make([]byte, 512)
	at := int64(0)
	for range maxFrames {
		n, err := r.ReadAt(head, at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		skip := skippable(head[:n])
		if skip == 0 {
			if f := Detect(head[:n]); at == 0 || f == LZ4 {
				return f, nil
			}
			return Zstd, nil
		}
		at += skip
	}
	return Zstd, nil
}

// skippable returns the length in bytes of the skippable frame that head begins with, or 0 if there is none.
func skippable(head []byte) int64 {
	if len(head) < 8 || head[0]&0xf0 != 0x50 || string(head[1:4]) != "\x2a\x4d\x18" {
		return 0
	}
	return 8 + int64(binary.LittleEndian.Uint32(head[4:]))
}

// EmptyFirst reports whether a shard is xz or bzip2 and its first stream holds nothing, by the first bytes of the shard, at
// least 14. Some readers end there.
func EmptyFirst(head []byte) bool {
	switch {
	case len(head) < 14:
		return false
	case string(head[:6]) == xzMagic:
		return head[xzHeaderSize] == 0 // the index instead of a block
	case string(head[:3]) == "BZh":
		return string(head[4:10]) == "\x17\x72\x45\x38\x50\x90" // the end instead of a block
	}
	return false
}
