package oddshards

import "strings"

// headers returns shards with a header that is odd by itself, in the second of three samples.
func headers() []Shard {
	amid := func(name string, b block) Shard {
		b.name = "b.jpg"
		return plain(name, file("a.jpg"), b.with(content(b.name)), file("c.jpg"))
	}
	sized := octal(len(content("b.jpg")))
	long := strings.Repeat("g", 32)
	return append([]Shard{
		amid("mode-text", block{mode: "rw-r--r--"}),
		amid("uid-text", block{uid: "nobody"}),
		amid("gid-text", block{gid: "nogroup"}),
		amid("uid-negative", block{uid: "-000001\x00"}),
		amid("uid-base256", block{uid: "\x80\x00\x00\x00\x7f\xff\xff\xff"}),
		amid("major-text", block{major: "dos"}),
		amid("minor-text", block{minor: "one"}),
		amid("group-name-of-40", block{group: long, major: "000000 g", minor: "000000 "}),
		amid("user-name-of-32", block{user: strings.Repeat("u", 32)}),
		amid("user-name-not-utf8", block{user: "\xff\xfe"}),
		amid("time-negative", block{mtime: "-0000000001\x00"}),
		amid("time-negative-padded", block{mtime: "0-170231600 "}),
		amid("time-after-2038", block{mtime: "-32423166000"}),
		amid("time-base256-negative", block{mtime: strings.Repeat("\xff", 11) + "\x9c"}),
		amid("time-after-2262", block{mtime: "\x80\x00\x00\x00\x00\x00\x00\x03\xe5\x7a\x00\x00", magic: gnu}),
		amid("time-text", block{mtime: "yesterday"}),
		amid("time-blank", block{mtime: strings.Repeat(" ", 12)}),
		amid("size-base256", block{size: "\x80" + strings.Repeat("\x00", 10) + string(rune(len(content("b.jpg"))))}),
		amid("size-blanks", block{size: strings.Replace(sized, "00000000", "        ", 1)}),
		amid("size-unended", block{size: "0" + sized[:11]}),
		amid("magic-v7", block{magic: v7}),
		amid("magic-v7-prefix", block{magic: v7, prefix: "old"}),
		amid("magic-gnu-prefix", block{magic: gnu, prefix: "old"}),
		amid("magic-gnu-incremental", block{magic: gnu, prefix: "14524770400\x0014524770400\x00"}),
		amid("magic-ustar00", block{magic: "ustar00\x00", prefix: "p"}),
		amid("magic-ustar-blank", block{magic: "ustar 00", prefix: "p"}),
		amid("magic-star", block{prefix: strings.Repeat("\x00", 131) + "13727410000 13727410000 "}),
		amid("prefix-slash", block{prefix: "d/"}),
		amid("type-contiguous", block{typ: '7'}),
		amid("type-unknown", block{typ: 'Z'}),
		amid("link-name-of-file", block{link: "a.jpg"}),
	}, types()...)
}

// types returns shards with members of rare types.
func types() []Shard {
	old := func(name string) []byte { return block{name: name, magic: v7}.with(content(name)) }
	null := func(name string) []byte { // the type of an ordinary file before POSIX
		b := block{name: name, magic: v7, checksumDelta: -'0'}.with(content(name))
		b[156] = 0
		return b
	}
	slash := block{name: "d/", magic: v7, checksumDelta: -'0'}.with("")
	slash[156] = 0
	between := func(name string, odd []byte) Shard { return plain(name, file("a.jpg"), odd, files("b.jpg", "c.jpg")) }
	return []Shard{
		plain("v7", old("a.jpg"), old("a.cls"), old("b.jpg"), old("b.cls")),
		plain("v7-type", null("a.jpg"), null("a.cls"), null("b.jpg"), null("b.cls")),
		between("v7-directory", slash),
		between("type-volume", block{name: "volume.one", typ: 'V', magic: gnu}.with("")),
		between("type-dump-directory", block{name: "d.d/", typ: 'D', magic: gnu}.with("Ya.jpg\x00\x00")),
		between("type-multi-volume", block{name: "m.jpg", typ: 'M', magic: gnu}.with("the rest")),
		between("type-solaris-acl", block{name: "acl.txt", typ: 'A'}.with("user::rw-")),
		between("directory-with-size", block{name: "e.e/", typ: '5', size: octal(100)}.bytes()),
		between("symlink-with-size", block{name: "a.png", typ: '2', link: "a.jpg", size: octal(100)}.bytes()),
	}
}
