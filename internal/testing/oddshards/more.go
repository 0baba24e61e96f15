package oddshards

import (
	"bytes"
	"hash/crc32"
	"slices"
	"strings"
)

// variants returns shards that are odd in ways which differ little from those of other functions.
func variants() []Shard {
	fields := func(name string, names ...string) Shard {
		return plain(name, some(0, 2), files(names...), some(2, 2))
	}
	amid := func(name string, odd ...[]byte) Shard {
		return plain(name, file("a.jpg"), members(odd...), file("z.jpg"))
	}
	directory := block{name: "d", typ: '5'}.with("")
	link := block{name: "l", typ: '2', link: "s000.jpg"}.with("")
	data := content("moon.jpg")
	return []Shard{
		fields("upper-case-not-ascii", "x.É", "x.cls"),
		fields("reserved-upper-case", "x.cls", "x.__KEY__"),
		fields("double-dot-twice", "x...jpg", "x.cls"),
		fields("hidden-directory", ".d/x.jpg", ".d/x.cls"),
		fields("dotted-directory-of-dots", "a.b.c/x.jpg", "a.b.c/x.cls"),
		fields("underscore-key", "_x.jpg", "_x.cls"),
		fields("blank-extension", "x.j pg", "x.cls"),
		fields("slash-twice-first", "//x.jpg", "//x.cls"),
		plain("keys-normalised", files("\u00e9.jpg", "\u00e9.cls", "e\u0301.jpg", "e\u0301.cls"), some(0, 1)),
		plain("no-extension-first", files("README"), some(0, 3)),
		plain("hidden-amid", files("a.jpg", ".secret.jpg", "a.cls", "b.jpg", "b.cls")),
		plain("directory-amid", file("a.jpg"), directory, files("a.cls", "b.jpg", "b.cls")),
		plain("meta-amid", files("a.jpg", "__meta__/x.json", "a.cls", "b.jpg", "b.cls")),
		amid("pax-size-differs", pax("size", "13"), block{name: "moon.jpg", size: octal(0)}.bytes(), padded(data[:13])),
		amid("pax-time-huge", pax("mtime", "1"+strings.Repeat("0", 20)), file("moon.jpg")),
		amid("pax-before-directory", pax("path", "deep/"), directory),
		amid("pax-before-link", pax("path", "moon.png"), link),
		plain("global-twice", global("comment", "one"), global("comment", "two"), some(0, 4)),
		plain("global-then-extended", global("comment", "one"), pax("path", "moon.jpg"), files("m.jpg", "z.jpg")),
		amid("checksum-signed",
			block{name: "x.jpg", user: "\xe9\xe9", checksumDelta: -2 * 256}.with(content("x.jpg"))), // of signed bytes
	}
}

// gzipped returns a gzip member whose header has a name, a comment and a checksum.
func gzipped(data []byte) []byte {
	plain := gz(data)
	head := append(slices.Clone(plain[:10]), "lamp.tar\x00lit\x00"...)
	head[3] = 2 | 8 | 16
	sum := crc32.ChecksumIEEE(head)
	return slices.Concat(head, []byte{byte(sum), byte(sum >> 8)}, plain[10:])
}

// moreContainers returns more shards that are compressed, or begin oddly.
func moreContainers() []Shard {
	whole := tar(some(0, 8))
	emptyBzip2 := []byte("BZh9\x17rE8P\x90\x00\x00\x00\x00")
	return []Shard{
		one("gzip-header-fields", ".tgz", gzipped(whole)),
		one("empty-stream-bzip2", ".tar.bz2", slices.Concat(emptyBzip2, decoded(bzip2Whole))),
		one("compressed-zstd-tar", ".tar", zst(whole)),
		one("zero-block-first", ".tar", append(make([]byte, blockSize), whole...)),
		one("zero-blocks-first", ".tar", append(make([]byte, 2*blockSize), whole...)),
		one("html-page", ".tar", bytes.Repeat([]byte("<!DOCTYPE html><p>404, the lamp is out.\n"), 40)),
		plain("cls-float", file("a.cls", "1.5"), file("a.jpg"), file("b.cls", "2.5"), file("b.jpg")),
		plain("cls-blanks", file("a.cls", " 7 "), file("a.jpg"), file("b.cls", "8 "), file("b.jpg")),
		plain("json-mark", file("a.json", "\xef\xbb\xbf{}"), file("b.json", "\xef\xbb\xbf{}")),
		plain("json-latin1", file("a.json", `{"a": "caf`+"\xe9"+`"}`), file("b.json", `{"a": "tea"}`)),
		plain("txt-utf16", file("a.txt", "\xff\xfel\x00a\x00"), file("b.txt", "\xff\xfel\x00a\x00")),
	}
}
