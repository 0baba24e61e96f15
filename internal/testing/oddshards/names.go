package oddshards

import (
	"fmt"
	"strings"
)

// names returns shards with odd names of members.
func names() []Shard {
	pair := func(name, key string) Shard {
		return plain(name, some(0, 2), files(key+".jpg", key+".cls"), some(2, 2))
	}
	return append([]Shard{
		plain("case-collision", files("a.jpg", "b.jpg", "A.jpg")),
		plain("hidden", some(0, 1), files(".secret.jpg", ".DS_Store"), some(2, 1)),
		plain("hidden-apple", files("a.jpg", "._b.jpg", "b.jpg")),
		plain("hidden-key", files("d/a.jpg", "d/.x.jpg", "d/.y.jpg", "d/b.jpg")),
		plain("hidden-key-apple", files("d/._a.jpg", "d/a.jpg", "d/._b.jpg", "d/b.jpg")),
		plain("hidden-key-alone", files("x/.jpg", "y/.jpg")),
		plain("no-extension", some(0, 1), files("README"), some(1, 1), files("d/LICENSE"), some(2, 1)),
		plain("no-extension-amid", files("a.jpg", "README", "a.cls", "b.jpg", "b.cls")),
		plain("newline-directory", some(0, 1), files("n\nl.x/a.jpg"), some(1, 1)),
		plain("newline-extension", some(0, 1), files("x.a\nb"), some(1, 1)),
		plain("newline-key", some(0, 1), files("x\ny.jpg"), some(1, 1)),
		plain("empty-extension", some(0, 1), files("x.", "x.cls"), some(1, 1)),
		plain("underscore-extension", some(0, 1), files("x.cls", "x._meta", "x.__lamp__"), some(1, 1)),
		plain("upper-case", files("a.JPG", "a.Cls", "b.jpg", "b.CLS")),
		plain("upper-case-all", files("a.JPG", "a.CLS", "b.JPG", "b.CLS")),
		plain("double-dot", files("a..jpg", "a.cls", "b..jpg", "b.cls")),
		plain("dotted-names", dotted()),
		plain("dotted-extensions", files("a.seg.png", "a.depth.png", "b.seg.png", "b.depth.png")),
		plain("version-directory", files("v1.0/a.jpg", "v1.0/a.cls", "v1.0/b.jpg", "v1.0/b.cls")),
		plain("meta", files("__meta__/a.json", "__info__"), some(0, 2)),
		plain("meta-directory-later", some(0, 1), files("d/__meta__/a.jpg"), some(1, 1)),
		plain("meta-extension", files("__meta__.json"), some(0, 2)),
		plain("dunder-keys", files("__a.jpg", "__a.cls", "__b.jpg", "__b.cls", "c.jpg", "c.cls")),
		plain("dunder-keys-below", files("d/__a.jpg", "d/__a.cls", "d/b.jpg", "d/b.cls", "d/c.jpg", "d/c.cls")),
		plain("not-utf8", files("\xff\xfe.jpg", "\xff\xfe.cls"), some(0, 1)),
		plain("not-utf8-extension", some(0, 1), files("x.j\xffg"), some(1, 1)),
		plain("not-ascii", files("ü.jpg", "ü.cls"), some(0, 1)),
		plain("not-ascii-pax", pax("path", "ü.jpg"), file("_.jpg"), pax("path", "ü.cls"), file("_.cls"), some(0, 1)),
		plain("control", files("a\tb.jpg", "a\x01b.cls"), some(0, 1)),
		plain("absolute-name", files("/abs/a.jpg", "/abs/a.cls", "/abs/b.jpg", "/abs/b.cls")),
		plain("parent-name", files("../a.jpg", "../a.cls", "../b.jpg", "../b.cls")),
		plain("dot-name", files("./a.jpg", "./a.cls", "./b.jpg", "./b.cls")),
		plain("dot-name-within", files("d//a.jpg", "d/./b.jpg")),
		plain("slash-keys", files("d/a.jpg", "d/a.cls", "d/b.jpg", "d/b.cls")),
		plain("slash-key-and-plain", files("a.jpg", "a/b.jpg")),
		plain("mixed-directories", files("a/x.jpg", "b/x.jpg", "a/x.cls", "b/x.cls")),
		plain("trailing-blank", files("a.jpg ", "a.cls"), some(0, 1)),
		plain("trailing-dot", files("a.jpg.", "a.cls"), some(0, 1)),
		plain("windows-names", files("con.jpg", "a:b.jpg", "a*b.jpg", "a?.jpg")),
		plain("numbers", files("0.jpg", "0.0.jpg", "1.jpg", "1.0.jpg")),
		plain("quotes", files("a\"b.jpg", "a'b.cls"), some(0, 1)),
		plain("glob-names", files("[a].jpg", "[a].cls", "b.jpg", "b.cls")),
		plain("unsorted", files("b.jpg", "b.cls", "a.jpg", "a.cls")),
		pair("blank", "a b"),
		pair("backslash", `a\b`),
		pair("commas", "a=1,b=2"),
		pair("percent", "a%2Fb"),
		pair("hash-key", "a#1"),
		pair("colons-key", "a::b"),
		pair("braces-key", "{a,b}"),
	}, longNames()...)
}

// dotted returns members with dots in names that are meant to be keys.
func dotted() []byte {
	var all []string
	for i := range 12 {
		all = append(all, fmt.Sprintf("img.%d.jpg", i), fmt.Sprintf("img.%d.cls", i))
	}
	return files(all...)
}

// longNames returns shards with long names, each kept in another way.
func longNames() []Shard {
	three := func(put func(name string) []byte) (all []byte) {
		for i := range 3 {
			for _, ext := range []string{"jpg", "cls"} {
				all = append(all, put(fmt.Sprintf("%s%d.%s", strings.Repeat("k", 120), i, ext))...)
			}
		}
		return all
	}
	short := func(name string) []byte { return block{name: name[:100]}.with(content(name)) }
	prefixed := func(name string) []byte {
		return file(strings.Repeat("d", 60) + "/" + strings.Repeat("e", 60) + "/" + name[118:])
	}
	whole := strings.Repeat("w", 96) + ".jpg"
	return []Shard{
		plain("long-component", file("a.jpg"), pax("path", strings.Repeat("l", 260)+".jpg"), files("l.jpg", "b.jpg")),
		plain("name-of-100", files(whole, "b.jpg", "c.jpg")),
		plain("long-name-prefix", three(prefixed)),
		plain("long-name-pax", three(func(n string) []byte { return append(pax("path", n), short(n)...) })),
		plain("long-name-gnu", three(func(n string) []byte { return append(gnuLong(n), short(n)...) })),
		plain("long-key", some(0, 2), pax("path", strings.Repeat("directory/", 420)+"a.jpg"), file("a.jpg"),
			some(2, 2)),
	}
}
