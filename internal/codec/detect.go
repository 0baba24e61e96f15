package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Format names how the bytes of a shard are compressed.
type Format uint8

// The formats that Detect knows. Plain is everything else.
const (
	Plain Format = iota
	Gzip
	Zstd
	Bzip2
	XZ
	LZ4
)

// String returns the name of the format as its command line tool spells it, and "plain" for Plain.
func (f Format) String() string {
	switch f {
	case Plain:
		return "plain"
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	case Bzip2:
		return "bzip2"
	case XZ:
		return "xz"
	case LZ4:
		return "lz4"
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// Detect tells the format of a shard by its first bytes; 10 of them are enough. What is too short for a magic number is
// Plain.
func Detect(head []byte) Format {
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case has("\x1f\x8b"):
		return Gzip
	case has("\x28\xb5\x2f\xfd"), len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		// The second magic number is a skippable frame. LZ4 has these too, but only zstd tools write them first.
		return Zstd
	case len(head) >= 10 && has("BZh") && '1' <= head[3] && head[3] <= '9' && isBzip2Block(head[4:10]):
		return Bzip2
	case has("\xfd7zXZ\x00"):
		return XZ
	case has("\x04\x22\x4d\x18"):
		return LZ4
	}
	return Plain
}

// isBzip2Block reports whether magic begins a bzip2 block or ends a bzip2 stream. The three letters before it are not
// enough: they can be the name of the first member of a plain tar.
func isBzip2Block(magic []byte) bool {
	return string(magic) == "\x31\x41\x59\x26\x53\x59" || string(magic) == "\x17\x72\x45\x38\x50\x90"
}

// HasExtra reports whether the first header of a gzip shard has an extra field, by the shard's first bytes.
func HasExtra(head []byte) bool {
	return len(head) >= 4 && Detect(head) == Gzip && head[3]&flagExtra != 0
}

// Other names the compression of bytes that Detect does not know, by their first bytes; "" if they are not known here either.
// It is for messages: a plain tar can begin in the same way.
func Other(head []byte) string {
	for magic, name := range map[string]string{"\x1f\x9d": "compress", "LZIP": "lzip", "\x5d\x00\x00": "lzma", "PK\x03\x04": "zip", "7z\xbc\xaf": "7z"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	return ""
}

// DetectAt is Detect for bytes that can be read at any offset. It looks past skippable frames, with which zstd and lz4 can
// begin alike; past more of them than anybody writes it takes the shard for zstd.
func DetectAt(r io.ReaderAt) (Format, error) {
	const most = 1000
	head := make([]byte, 512)
	at := int64(0)
	for range most {
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

// skippable returns the length of the skippable frame that bytes begin with; 0 if they begin with something else.
func skippable(head []byte) int64 {
	if len(head) < 8 || head[0]&0xf0 != 0x50 || string(head[1:4]) != "\x2a\x4d\x18" {
		return 0
	}
	return 8 + int64(binary.LittleEndian.Uint32(head[4:]))
}
