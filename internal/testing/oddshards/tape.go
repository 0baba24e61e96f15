package oddshards

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

const blockSize = 512

// block is one header of a tar, its numbers as text. Fields that are empty have what most members have.
type block struct {
	name, link    string
	typ           byte
	mode          string
	uid, gid      string
	size          string
	mtime         string
	magic         string // with the version: 8 bytes
	user, group   string
	major, minor  string
	prefix        string
	checksumDelta int // added to the right checksum
}

// The magic and version of each format.
const (
	ustar = "ustar\x0000"
	gnu   = "ustar  \x00"
	v7    = "\x00\x00\x00\x00\x00\x00\x00\x00"
)

// bytes returns the block with its checksum.
func (b block) bytes() []byte {
	h := make([]byte, blockSize)
	put := func(at int, value, otherwise string) {
		if value == "" {
			value = otherwise
		}
		copy(h[at:], value)
	}
	typ := b.typ
	if typ == 0 {
		typ = '0'
	}
	put(0, b.name, "")
	put(100, b.mode, "0000644\x00")
	put(108, b.uid, "0000000\x00")
	put(116, b.gid, "0000000\x00")
	put(124, b.size, "00000000000\x00")
	put(136, b.mtime, "13727410000\x00")
	put(148, "", "        ")
	h[156] = typ
	put(157, b.link, "")
	put(257, b.magic, ustar)
	put(265, b.user, "")
	put(297, b.group, "")
	put(329, b.major, "")
	put(337, b.minor, "")
	put(345, b.prefix, "")
	sum := b.checksumDelta
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// with returns the member that begins with the block: the block with its size, the content, and padding.
func (b block) with(content string) []byte {
	if b.size == "" {
		b.size = octal(len(content))
	}
	return append(b.bytes(), padded(content)...)
}

// octal returns a size as headers have it.
func octal(size int) string { return fmt.Sprintf("%011o\x00", size) }

// padded returns content filled to whole blocks.
func padded(content string) []byte {
	return append([]byte(content), make([]byte, -len(content)&(blockSize-1))...)
}

// content returns what a member of this name holds if it does not matter.
func content(name string) string {
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, ".cls"):
		return fmt.Sprint(crc32.ChecksumIEEE([]byte(name)) % 1000)
	case strings.HasSuffix(lower, ".json"):
		return fmt.Sprintf(`{"lamp": %d}`, crc32.ChecksumIEEE([]byte(name))%1000)
	}
	return "light of " + name
}

// file returns a plain member. Its content, if not given, depends on its name.
func file(name string, given ...string) []byte {
	data := content(name)
	if len(given) > 0 {
		data = given[0]
	}
	b := block{name: name}
	if len(name) > 100 {
		cut := strings.LastIndexByte(name[:min(len(name), 156)], '/')
		b.prefix, b.name = name[:cut], name[cut+1:]
	}
	return b.with(data)
}

// files returns plain members of these names.
func files(names ...string) []byte {
	var all []byte
	for _, name := range names {
		all = append(all, file(name)...)
	}
	return all
}

// some returns n ordinary samples of two members, numbered from a number.
func some(from, n int) []byte {
	var all []byte
	for i := from; i < from+n; i++ {
		all = append(all, files(fmt.Sprintf("s%03d.cls", i), fmt.Sprintf("s%03d.jpg", i))...)
	}
	return all
}

// record returns a record of a PAX header.
func record(key, value string) string {
	rest := " " + key + "=" + value + "\n"
	n := len(rest)
	for n != len(rest)+len(fmt.Sprint(n)) {
		n = len(rest) + len(fmt.Sprint(n))
	}
	return fmt.Sprint(n) + rest
}

// records returns the records of pairs of key and value.
func records(pairs ...string) string {
	var text string
	for pair := range slices.Chunk(pairs, 2) {
		text += record(pair[0], pair[1])
	}
	return text
}

// pax returns an extended header with pairs of key and value.
func pax(pairs ...string) []byte {
	return block{name: "PaxHeaders/lamp", typ: 'x'}.with(records(pairs...))
}

// global returns a global extended header with pairs of key and value.
func global(pairs ...string) []byte {
	return block{name: "pax_global_header", typ: 'g'}.with(records(pairs...))
}

// gnuLong returns GNU's header of a long name.
func gnuLong(name string) []byte {
	return block{name: "././@LongLink", typ: 'L', magic: gnu}.with(name + "\x00")
}

// members joins members, without an end.
func members(parts ...[]byte) []byte { return slices.Concat(parts...) }

// tar joins members and ends them as tar does: with zeros up to the end of a record of 20 blocks.
func tar(parts ...[]byte) []byte {
	all := append(slices.Concat(parts...), make([]byte, 2*blockSize)...)
	const perRecord = 20 * blockSize
	return append(all, make([]byte, (perRecord-len(all)%perRecord)%perRecord)...)
}
