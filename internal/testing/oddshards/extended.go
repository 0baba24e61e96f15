package oddshards

import (
	"fmt"
	"strings"
)

// extended returns shards with odd extended headers, most of them before the second of three samples.
func extended() []Shard {
	before := func(name string, odd ...[]byte) Shard {
		return plain(name, file("a.jpg"), members(odd...), files("b.jpg", "c.jpg"))
	}
	raw := func(typ byte, text string) []byte { return block{name: "PaxHeaders/lamp", typ: typ}.with(text) }
	path := record("path", "moon.jpg")
	return append([]Shard{
		before("pax-path", pax("path", "moon.jpg")),
		before("pax-time", pax("mtime", "1600000000.25")),
		before("pax-time-text", pax("mtime", "yesterday")),
		before("pax-time-negative", pax("mtime", "-86400.5")),
		before("pax-size", pax("size", fmt.Sprint(len(content("b.jpg"))))),
		before("pax-path-empty", pax("path", "")),
		before("pax-path-nul", pax("path", "mo\x00on.jpg")),
		before("pax-path-slash", pax("path", "moon.jpg/")),
		before("pax-path-twice", pax("path", "sun.jpg", "path", "moon.jpg")),
		before("pax-newline", pax("comment", "one\ntwo", "path", "moon.jpg")),
		before("pax-not-utf8", pax("path", "mo\xffon.jpg")),
		before("pax-charset-binary", pax("hdrcharset", "BINARY", "path", "mo\xc3\xb6n.jpg")),
		before("pax-uid-text", pax("uid", "nobody")),
		before("pax-xattr", pax("SCHILY.xattr.user.lamp", "a=b\x00c")),
		before("pax-padded", raw('x', path+strings.Repeat("\x00", 100))),
		before("pax-length-zeros", raw('x', "0"+fmt.Sprint(len(path)+1)+path[2:])),
		before("pax-length-wrong", raw('x', "9"+path[1:])),
		before("pax-no-equals", raw('x', "11 lantern\n")),
		before("pax-no-newline", raw('x', path[:len(path)-1]+"!")),
		before("pax-empty", raw('x', "")),
		before("pax-header-uid-text", block{name: "PaxHeaders/lamp", typ: 'x', uid: "nobody"}.with(path)),
		before("two-extended-headers", pax("path", "moon.jpg"), pax("comment", "lit")),
		before("extended-then-long-name", pax("comment", "lit"), gnuLong("moon.jpg")),
		before("extended-path-then-long-name", pax("path", "sun.jpg"), gnuLong("moon.jpg")),
		before("long-name-then-extended", gnuLong("moon.jpg"), pax("comment", "lit")),
		before("long-name-twice", gnuLong("sun.jpg"), gnuLong("moon.jpg")),
		before("long-name-empty", gnuLong("")),
		before("long-name-unended", block{name: "././@LongLink", typ: 'L', magic: gnu}.with("moon.jpg")),
		before("long-link", block{name: "././@LongLink", typ: 'K', magic: gnu}.with("moon.jpg\x00")),
		before("solaris-header", raw('X', path)),
		plain("extended-header-alone", file("a.jpg"), file("b.jpg"), pax("path", "lost.jpg")),
		plain("long-name-alone", file("a.jpg"), file("b.jpg"), gnuLong("lost.jpg")),
		plain("extended-headers", timed(10)),
		plain("global-comment", global("comment", strings.Repeat("c0ffee00", 5)), some(0, 4)),
		plain("global-path", global("path", "same.jpg"), some(0, 4)),
		plain("global-path-amid", some(0, 2), global("path", "same.jpg"), some(2, 2)),
		plain("global-size", global("size", "4"), file("a.txt", "lamp"), file("b.txt", "moon"), file("c.txt", "star")),
		plain("global-time", global("mtime", "1500000000"), some(0, 4)),
		plain("global-sparse", global("GNU.sparse.major", "1", "GNU.sparse.minor", "0"), some(0, 4)),
		plain("global-end", some(0, 4), global("comment", "the end")),
	}, sparse()...)
}

// timed returns n samples whose members have extended headers for the fraction of their times only.
func timed(n int) (all []byte) {
	for i := range n {
		for _, ext := range []string{"cls", "jpg"} {
			name := fmt.Sprintf("t%02d.%s", i, ext)
			all = append(append(all, pax("mtime", "1600000000.25")...), file(name)...)
		}
	}
	return all
}

// sparse returns shards whose first and third members are files with a hole, kept in the ways that GNU tar has.
func sparse() []Shard {
	const hole, size, stored = 65536 - 4, 65536 + 4, "headtail" // 4 bytes, a hole, 4 bytes
	start := fmt.Sprint(hole + 4)
	two := func(name string, put func(name string) []byte) Shard {
		return plain(name, put("a.bin"), file("a.cls"), put("b.bin"), file("b.cls"))
	}
	return []Shard{
		two("sparse-gnu", func(name string) []byte {
			extents := octal(0) + octal(4) + octal(hole+4) + octal(4)
			return block{name: name, typ: 'S', magic: gnu, prefix: strings.Repeat("\x00", 41) + extents +
				strings.Repeat("\x00", 49) + octal(size)}.with(stored)
		}),
		two("sparse-pax-0.0", func(name string) []byte {
			return append(pax("GNU.sparse.size", fmt.Sprint(size), "GNU.sparse.numblocks", "2",
				"GNU.sparse.offset", "0", "GNU.sparse.numbytes", "4",
				"GNU.sparse.offset", start, "GNU.sparse.numbytes", "4"), file(name, stored)...)
		}),
		two("sparse-pax-0.1", func(name string) []byte {
			return append(pax("GNU.sparse.size", fmt.Sprint(size), "GNU.sparse.numblocks", "2",
				"GNU.sparse.map", "0,4,"+start+",4", "GNU.sparse.name", name), file("GNUSparseFile.1/"+name, stored)...)
		}),
		two("sparse-pax-1.0", func(name string) []byte {
			list := string(padded("2\n0\n4\n" + start + "\n4\n"))
			return append(pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", name,
				"GNU.sparse.realsize", fmt.Sprint(size)), file("GNUSparseFile.1/"+name, list+stored)...)
		}),
	}
}
