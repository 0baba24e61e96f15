package oddshards

import "strings"

// reserved lists extensions that some reader has a meaning for.
var reserved = [...]string{
	"__key__", "__url__", "__local_path__", "__bad__", "__source__", "__shard__", "__restore_key__", "__sources__",
	"__index__", "__subflavors__",
}

// samples returns shards with odd samples.
func samples() (all []Shard) {
	around := func(name string, parts ...[]byte) Shard {
		return plain(name, members(some(0, 2), members(parts...), some(2, 2)))
	}
	for _, ext := range reserved {
		member, name := file("x."+ext, "lantern"), strings.Trim(ext, "_")
		all = append(all,
			around("reserved-"+name, files("x.cls", "x.jpg"), member),
			around("reserved-first-"+name, member, files("x.cls", "x.jpg")))
	}
	link := func(name string, typ byte, to string) []byte { return block{name: name, typ: typ, link: to}.with("") }
	return append(all,
		plain("ordinary", some(0, 8)),
		around("reserved-bad-empty", files("x.cls", "x.jpg"), file("x.__bad__", "")),
		around("duplicate-extension", files("x.jpg", "x.cls"), file("x.jpg", "the second")),
		around("duplicate-extension-case", files("x.jpg", "x.JPG")),
		around("duplicate-extension-first", file("x.jpg", "one"), file("x.jpg", "two"), file("x.cls")),
		plain("key-returns", files("a.jpg", "b.jpg", "c.jpg", "a.cls", "b.cls", "c.cls")),
		plain("key-returns-late", some(0, 8), files("t.jpg", "s001.png")),
		plain("key-returns-same", files("a.jpg", "b.jpg", "a.jpg", "b.jpg")),
		Shard{"key-in-two-shards", []File{{"0.tar", tar(some(0, 4))}, {"1.tar", tar(some(3, 4))}}},
		Shard{"sample-across-shards", []File{
			{"0.tar", tar(some(0, 2), file("x.jpg"))}, {"1.tar", tar(file("x.cls"), some(2, 2))}}},
		plain("fields-differ-early", files("a.jpg", "a.cls", "b.jpg", "c.jpg", "c.cls"), some(0, 6)),
		plain("fields-differ-late", some(0, 8), files("x.jpg", "x.cls", "x.json", "y.jpg")),
		plain("fields-differ-order", files("a.jpg", "a.cls", "b.cls", "b.jpg"), some(0, 6)),
		Shard{"fields-differ-shards", []File{
			{"0.tar", tar(some(0, 6))}, {"1.tar", tar(files("x.jpg", "x.cls", "x.txt", "y.png"))}}},
		plain("picture-formats", files("a.jpg", "b.jpeg", "c.jpg", "d.png")),
		plain("single-members", files("a.jpg", "b.jpg", "c.jpg")),
		plain("directory", link("d/", '5', ""), files("d/a.jpg", "d/a.cls")),
		plain("directory-dotted", some(0, 1), link("d.x/", '5', ""), some(1, 1)),
		plain("symbolic-link", file("a.jpg"), link("a.png", '2', "a.jpg"), files("b.jpg", "b.png")),
		plain("hard-link", file("a.jpg"), link("a.gif", '1', "a.jpg"), file("b.jpg"), link("b.png", '1', "b.jpg")),
		plain("fifo", file("a.jpg"), link("a.pipe", '6', ""), file("b.jpg")),
		plain("device", file("a.jpg"),
			block{name: "a.null", typ: '3', major: "0000001\x00", minor: "0000003\x00"}.with(""), file("b.jpg")),
		plain("empty-members", file("a.jpg", ""), file("a.cls", ""), files("b.jpg", "b.cls")),
		plain("empty"),
		plain("empty-others", files("README")),
		plain("many-fields", files("a.jpg", "a.cls", "a.json", "a.txt", "a.seg.png"),
			files("b.jpg", "b.cls", "b.json", "b.txt", "b.seg.png")),
	)
}
