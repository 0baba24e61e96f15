package main

import (
	"archive/tar"
	"fmt"
	"strings"
)

// member is a regular member that readers should find.
type member struct{ name, content string }

// The states of a shard.
const (
	whole     = ""
	truncated = "truncated"
	damaged   = "damaged"
	notTar    = "not tar"
)

// archive is one plain tar of the corpus.
type archive struct {
	name    string
	content []byte
	members []member // members that readers should find, up to the damage
	want    string   // expected state
	differ  string   // why fewer than three of the readers agree; empty: they do agree
}

// adder adds an archive exactly as built.
type adder func(name, want, differ string, t *tape)

// endedAdder adds a whole archive: the blocks that build writes, and the end marker.
type endedAdder func(name, differ string, build func(t *tape))

// archives are all plain tars.
func archives() []archive {
	var all []archive
	add := func(name, want, differ string, t *tape) {
		all = append(all, archive{name + ".tar", t.Bytes(), t.members, want, differ})
	}
	ended := func(name, differ string, build func(t *tape)) {
		t := new(tape)
		build(t)
		t.end()
		add(name, whole, differ, t)
	}
	formats(add)
	numbers(ended)
	extended(ended)
	combined(ended)
	longNames(ended)
	names(ended)
	sparse(ended)
	kinds(ended)
	cuts(add)
	afterEnds(add)
	malformed(add)
	small(add)
	return all
}

// formats adds what each format of archive/tar looks like.
func formats(add adder) {
	long := strings.Repeat("d", 90) + "/" + strings.Repeat("n", 90) + ".txt"
	endless := strings.Repeat("long/", 60) + "name.txt"
	file := func(name string, format tar.Format) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: name, Format: format}
	}
	three := func(format tar.Format, one, two, three string) *tape {
		return written(file(one, format), file(two, format), file(three, format))
	}
	add("format-ustar", whole, "", three(tar.FormatUSTAR, "a.txt", "a.cls", long))
	add("format-pax", whole, "", three(tar.FormatPAX, "a.txt", endless, "übung.txt"))
	add("format-gnu", whole, "", three(tar.FormatGNU, "a.txt", endless, "b.txt"))
	links := []*tar.Header{
		file("a.txt", tar.FormatUSTAR),
		{Typeflag: tar.TypeLink, Name: "hard.txt", Linkname: "a.txt"},
		{Typeflag: tar.TypeSymlink, Name: "soft.txt", Linkname: "a.txt"},
		{Typeflag: tar.TypeSymlink, Name: "far.txt", Linkname: strings.Repeat("far/", 50) + "a.txt"},
		{Typeflag: tar.TypeLink, Name: "early.txt", Linkname: "z.txt"},
		{Typeflag: tar.TypeDir, Name: "dir/", Mode: 0o755},
		{Typeflag: tar.TypeFifo, Name: "fifo"},
		{Typeflag: tar.TypeChar, Name: "char", Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeBlock, Name: "block", Devmajor: 7},
		file("z.txt", tar.FormatUSTAR),
	}
	add("links-and-specials", whole, "", written(links...))

	v7 := new(tape)
	for _, name := range []string{"a.txt", "a.cls", strings.Repeat("n", 95) + ".txt"} {
		v7.file(header{name: name, magic: noMagic}, "content of "+name+"\n")
	}
	v7.raw(header{name: "dir/", magic: noMagic}, "")
	v7.raw(header{name: "hard.txt", link: "a.txt", kind: '1', magic: noMagic}, "")
	v7.files("b.txt")
	v7.end()
	add("format-v7", whole, "", v7)
}

// numbers adds the ways to write a size.
func numbers(add endedAdder) {
	size := func(name, differ string, write func(b []byte)) {
		add("number-"+name, differ, func(t *tape) {
			t.files("a.txt")
			content := strings.Repeat("x", 0o1234)
			t.file(header{name: "b.txt", size: 0o1234, edit: func(b []byte) { write(b[124:136]) }}, content)
			t.files("c.txt")
		})
	}
	size("base256", "", func(b []byte) { base256(b, 0o1234) })
	size("spaces-before", "", func(b []byte) { copy(b, "       1234 ") })
	size("spaces-after", "", func(b []byte) { copy(b, "1234        ") })
	size("without-end", "", func(b []byte) { copy(b, "000000001234") })
	size("short", "", func(b []byte) { copy(b, "1234\x00\x00\x00\x00\x00\x00\x00\x00") })
	size("digits-after-nul", "", func(b []byte) { copy(b, "1234\x0077\x00\x00\x00\x00\x00") })
	add("number-negative-time", "", func(t *tape) {
		t.file(header{name: "a.txt", edit: func(b []byte) { base256(b[136:148], -86400) }}, "from 1969\n")
		t.files("b.txt")
	})
	add("number-owner-base256", "", func(t *tape) {
		t.file(header{name: "a.txt", edit: func(b []byte) { base256(b[108:116], 1<<31+7) }},
			"a large number of an owner\n")
		t.files("b.txt")
	})
	add("checksum-signed", "", func(t *tape) {
		h := header{name: "a.txt", uname: "us\xe9r"}
		content := "its checksum is of signed bytes\n"
		h.size = int64(len(content))
		t.Write(sumSigned(h.block()))
		t.content(content)
		t.expect("a.txt", content)
		t.files("b.txt")
	})
}

// longPath is a path that needs an extended header.
var longPath = strings.Repeat("p/", 80) + "path.txt"

// extended adds extended headers with each kind of record.
func extended(add endedAdder) {
	one := func(name, differ, want string, records ...string) {
		add("pax-"+name, differ, func(t *tape) {
			t.files("a.txt")
			t.pax('x', records...)
			content := "with an extended header\n"
			t.raw(header{name: "b.txt"}, content)
			t.expect(want, content)
			t.files("c.txt")
		})
	}
	one("path", "", longPath, record("path", longPath))
	one("path-utf8", "", "ключ/图.txt", record("path", "ключ/图.txt"))
	one("path-newline", "", "new\nline.txt", record("path", "new\nline.txt"))
	one("path-equals", "", "a=b.txt", record("path", "a=b.txt"))
	one("path-repeated", "", "last.txt", record("path", "first.txt"), record("path", "last.txt"))
	one("unknown", "", "b.txt", record("VENDOR.something", "of no meaning"), record("comment", "none"))
	one("times", "", "b.txt", record("mtime", "1700000000.123456789"), record("atime", "-1.5"))
	one("owner", "", "b.txt", record("uid", "4294967294"), record("uname", "jemand"))
	one("xattr", "", "b.txt", record("SCHILY.xattr.user.a", "value"), record("LIBARCHIVE.xattr.user.b", "dmFsdWU"))
	one("large", "", "b.txt", record("comment", strings.Repeat("as long as many headers ", 4000)))
	one("charset", "", "b.txt", record("hdrcharset", "ISO-IR 10646 2000 UTF-8"))
}

// combined adds combinations of extended headers.
func combined(add endedAdder) {
	add("pax-empty", "", func(t *tape) {
		t.pax('x')
		t.files("a.txt", "b.txt")
	})
	add("pax-size", "", func(t *tape) {
		content := strings.Repeat("its header says another size\n", 50)
		t.pax('x', record("size", fmt.Sprint(len(content))))
		t.Write(header{name: "a.txt", size: 7}.block())
		t.content(content)
		t.expect("a.txt", content)
		t.files("b.txt")
	})
	add("pax-twice", "", func(t *tape) {
		t.pax('x', record("path", "first.txt"))
		t.pax('x', record("path", "second.txt"))
		t.raw(header{name: "a.txt"}, "two extended headers\n")
		t.expect("second.txt", "two extended headers\n")
		t.files("b.txt")
	})
	add("pax-global", "", func(t *tape) {
		t.pax('g', record("comment", "of all members"), record("mtime", "1600000000"))
		t.files("a.txt", "b.txt")
	})
	add("pax-global-and-own", "", func(t *tape) {
		t.pax('g', record("comment", "of all members"))
		t.pax('x', record("path", longPath))
		t.raw(header{name: "a.txt"}, "both\n")
		t.expect(longPath, "both\n")
		t.files("b.txt")
	})
	add("pax-linkpath", "", func(t *tape) {
		t.pax('x', record("linkpath", longPath))
		t.raw(header{name: "soft.txt", kind: '2'}, "")
		t.files("b.txt")
	})
	add("pax-and-gnu-long", "", func(t *tape) {
		name := strings.Repeat("gnu/", 50) + "name.txt"
		t.long('L', name)
		t.pax('x', record("path", longPath))
		t.raw(header{name: "a.txt"}, "the long name counts\n")
		t.expect(name, "the long name counts\n")
		t.files("b.txt")
	})
}

// longNames adds headers for long names other than POSIX's.
func longNames(add endedAdder) {
	add("gnu-long-name", "", func(t *tape) {
		name := strings.Repeat("gnu/", 300) + "name.txt"
		t.long('L', name)
		t.raw(header{name: name[:100], magic: gnuMagic}, "a long name\n")
		t.expect(name, "a long name\n")
		t.files("b.txt")
	})
	add("gnu-long-link", "", func(t *tape) {
		link := strings.Repeat("gnu/", 50) + "name.txt"
		t.long('K', link)
		t.long('L', link+".soft")
		t.raw(header{name: "x", link: link[:100], kind: '2', magic: gnuMagic}, "")
		t.files("b.txt")
	})
	add("gnu-long-name-twice", "", func(t *tape) {
		name := strings.Repeat("last/", 50) + "name.txt"
		t.long('L', strings.Repeat("first/", 50)+"name.txt")
		t.long('L', name)
		t.raw(header{name: "x", magic: gnuMagic}, "the last one counts\n")
		t.expect(name, "the last one counts\n")
	})
	add("gnu-long-name-short", "", func(t *tape) {
		t.long('L', "short.txt")
		t.raw(header{name: "x", magic: gnuMagic}, "a short name in a long header\n")
		t.expect("short.txt", "a short name in a long header\n")
	})
	add("solaris-extended", "", func(t *tape) {
		t.pax('X', record("path", longPath))
		t.raw(header{name: "a.txt"}, "Sun's own kind of extended header\n")
		t.expect(longPath, "Sun's own kind of extended header\n")
		t.files("b.txt")
	})
}

// names adds unusual names.
func names(add endedAdder) {
	same := func(name, differ string, names ...string) {
		add("name-"+name, differ, func(t *tape) { t.files(names...) })
	}
	full := strings.Repeat("x", 96) + ".txt"
	same("of-100-bytes", "", full, "b.txt")
	same("latin1", "", "caf\xe9.txt", "caf\xc3\xa9.txt")
	same("control", "", "a\nb.txt", "a\tb.txt", "a\x1b[2J.txt", "a\x7f.txt")
	same("blank", "", " .txt", "a .txt", " a.txt", "a. txt")
	same("backslash", "", `a\b.txt`, `c:\a.txt`, `'"$(x)`+"`.txt")
	same("percent", "", "%2E.txt", "%.txt", "100%.txt", "%41.txt")
	same("dots", "", "a..txt", "a...txt", "..a.txt", ".hidden", ".hidden.txt", "dir.d/a.txt", "a.seg.png", "a.")
	same("absolute", "", "/abs/a.txt", "//abs/b.txt")
	same("parent", "", "../a.txt", "a/../b.txt", "./c.txt", "././d.txt", "a//e.txt")
	same("case", "", "a.txt", "A.txt", "a.TXT")
	same("unicode-forms", "", "\u00e9.txt", "e\u0301.txt")
	same("reserved", "", "a.__key__", "a.__source__", "__meta__.txt", "__meta__/a.txt", "a.__url__", "sample.txt",
		"b/sample.txt")
	same("no-extension", "", "README", "a/README", "Makefile.", "a.txt")
	same("deep", "", strings.Repeat("d/", 40)+"a.txt", strings.Repeat("d/", 40)+"a.cls")
	same("nested-keys", "", "a.txt", "a/b.txt", "a/b/c.txt", "a/sample.txt")
	same("duplicates", "", "a.txt", "a.txt", "b.txt", "a.txt")
	same("keys-return", "", "a.txt", "b.txt", "a.cls", "b.cls", "a.txt")
	add("name-in-prefix", "", func(t *tape) {
		prefix := strings.Repeat("p", 155)
		name := strings.Repeat("n", 96) + ".txt"
		t.raw(header{prefix: prefix, name: name}, "255 bytes and a slash\n")
		t.expect(prefix+"/"+name, "255 bytes and a slash\n")
		t.files("b.txt")
	})
	add("name-gnu-prefix", "", func(t *tape) { // no prefix there, but times and a list of pieces
		t.file(header{name: "a.txt", magic: gnuMagic, prefix: "14524770400\x0014524770400\x00"}, "not in a directory\n")
		t.files("b.txt")
	})
	add("name-after-nul", "", func(t *tape) {
		t.raw(header{name: "a.txt\x00after"}, "the name ends at the NUL\n")
		t.expect("a.txt", "the name ends at the NUL\n")
	})
	add("name-like-directory", "a regular member with a slash after its name is a directory for some", func(t *tape) {
		t.file(header{name: "dir/"}, "")
		t.files("b.txt")
	})
}

// sparse adds members with holes.
func sparse(add endedAdder) {
	some := []piece{{0, "begin"}, {4096, strings.Repeat("middle ", 100)}, {20000, "end"}}
	many := make([]piece, 60)
	for i := range many {
		many[i] = piece{int64(i) * 1000, fmt.Sprintf("piece %d;", i)}
	}
	trailing := []piece{{512, "one"}}
	for _, tt := range []struct {
		name   string
		size   int64
		pieces []piece
	}{
		{"some", 20003, some},
		{"many", 60000, many},
		{"hole-at-end", 100_000, append(trailing, piece{100_000, ""})},
		{"only-hole", 5000, []piece{{5000, ""}}},
		{"no-hole", 4, []piece{{0, "full"}}},
	} {
		add("sparse-gnu-"+tt.name, "", func(t *tape) {
			t.files("a.txt")
			t.oldSparse("b.bin", tt.size, tt.pieces)
			t.expect("b.bin", expand(tt.size, tt.pieces))
			t.files("c.txt")
		})
		for _, version := range []string{"0.0", "0.1", "1.0"} {
			add("sparse-pax-"+version+"-"+tt.name, "", func(t *tape) {
				t.files("a.txt")
				t.paxSparse(version, "b.bin", tt.size, tt.pieces)
				t.expect("b.bin", expand(tt.size, tt.pieces))
				t.files("c.txt")
			})
		}
	}
	add("sparse-pax-unknown", "a version of the future: some readers show what is stored", func(t *tape) {
		t.files("a.txt")
		t.paxSparse("7.3", "b.bin", 20003, some)
		t.files("c.txt")
	})
}

// kinds adds members that are not regular files, or unusual ones.
func kinds(add endedAdder) {
	add("kind-contiguous", "", func(t *tape) {
		t.file(header{name: "a.txt", kind: '7'}, "a contiguous file is a file\n")
		t.files("b.txt")
	})
	add("kind-unknown", "readers take an unknown kind for a file, as POSIX says, or for nothing", func(t *tape) {
		t.raw(header{name: "a.txt", kind: 'Z'}, "of the kind Z\n")
		t.files("b.txt")
	})
	add("kind-volume", "", func(t *tape) {
		t.raw(header{name: "a label", kind: 'V', magic: gnuMagic}, "")
		t.files("a.txt", "b.txt")
	})
	add("kind-directory-with-names", "", func(t *tape) {
		t.raw(header{name: "dir/", kind: 'D', magic: gnuMagic}, "Ya.txt\x00Nb.txt\x00\x00")
		t.files("dir/a.txt")
	})
	add("kind-hard-link-with-size", "", func(t *tape) {
		t.files("a.txt")
		t.Write(header{name: "b.txt", link: "a.txt", kind: '1', size: 100}.block())
		t.files("c.txt")
	})
	add("kind-symlink-with-size", "", func(t *tape) {
		t.files("a.txt")
		t.Write(header{name: "b.txt", link: "a.txt", kind: '2', size: 100}.block())
		t.files("c.txt")
	})
	add("kind-directory-between", "", func(t *tape) {
		t.files("a.txt")
		t.raw(header{name: "dir/", kind: '5'}, "")
		t.files("a.cls", "b.txt")
		t.raw(header{name: "c.txt", link: "b.txt", kind: '1'}, "")
		t.files("b.cls")
	})
	add("empty-members", "", func(t *tape) {
		t.file(header{name: "a.txt"}, "")
		t.file(header{name: "a.cls"}, "")
		t.file(header{name: "b.txt"}, "")
	})
	add("content-of-zeros", "", func(t *tape) {
		t.file(header{name: "a.bin"}, strings.Repeat("\x00", 5000))
		t.file(header{name: "b.bin"}, strings.Repeat("\x00", 512))
	})
	add("content-like-tar", "", func(t *tape) {
		inner := new(tape)
		inner.files("inner.txt")
		inner.end()
		t.file(header{name: "a.tar"}, inner.String())
		t.file(header{name: "b.bin"}, string(header{name: "c.txt"}.block()))
	})
	add("many-members", "", func(t *tape) {
		for i := range 300 {
			t.files(fmt.Sprintf("%04d.txt", i), fmt.Sprintf("%04d.cls", i))
		}
	})
}

// two is a tape with two members and no end.
func two() *tape {
	t := new(tape)
	t.files("a.txt", "b.txt")
	return t
}
