package main

import (
	"fmt"
	"strings"
)

// cuts adds tars that are cut at each kind of place.
func cuts(add adder) {
	ended := two()
	ended.end()
	at := func(name, want, differ string, size int, members int) {
		t := &tape{members: ended.members[:members]}
		t.Write(ended.Bytes()[:size])
		add(name, want, differ, t)
	}
	at("cut-in-first-header", notTar, "", 300, 0)
	at("cut-after-first-header", truncated, "", 512, 0)
	at("cut-in-first-content", truncated, "", 520, 0)
	at("cut-in-padding", truncated, "some readers need no padding", 1000, 0)
	at("cut-after-member", truncated, "", 1024, 1)
	at("cut-in-second-header", truncated, "", 1200, 1)
	at("cut-after-second-member", truncated, "", 2048, 2)
	at("cut-in-end-marker", truncated, "", 2048+200, 2)
	at("cut-to-one-end-block", truncated, "", 2048+512, 2)
	at("end-without-filling", whole, "", 2048+1024, 2)

	extended := two()
	extended.pax('x', record("path", strings.Repeat("p/", 400)+"c.txt"))
	add("cut-after-extended-header", truncated, "", extended)
	cut := &tape{members: extended.members}
	cut.Write(extended.Bytes()[:2048+512+300])
	add("cut-in-extended-header", truncated, "", cut)
}

// afterEnds adds tars with other bytes after the end marker, or instead of it.
func afterEnds(add adder) {
	late := new(tape)
	late.files("late.txt")
	late.end()
	for _, tt := range []struct {
		name  string
		after []byte
	}{
		{"zeros", make([]byte, 50_000)},
		{"text", []byte(strings.Repeat("not zeros, ", 100))},
		{"tar", late.Bytes()},
	} {
		t := two()
		t.end()
		t.Write(tt.after)
		add("after-end-"+tt.name, whole, "", t)
	}
	one := two()
	one.Write(make([]byte, blockSize))
	one.Write(late.Bytes())
	add("one-zero-block-then-member", damaged, "", one)
	text := two()
	text.WriteString(strings.Repeat("neither a header nor an end. ", 50)[:1024])
	text.end()
	add("text-after-member", damaged, "", text)
	changed := two()
	b := header{name: "c.txt"}.block()
	b[0] = 'C'
	changed.Write(b)
	changed.end()
	add("checksum-wrong", damaged, "", changed)
}

// malformed adds malformed extended headers and sparse maps.
func malformed(add adder) {
	for _, tt := range []struct{ name, records string }{
		{"pax-length-wrong", "99 path=x\n"},
		{"pax-length-none", "path=x\n"},
		{"pax-no-newline", "9 path=xy"},
		{"pax-no-equals", "7 path\n"},
		{"pax-nul-in-path", record("path", "a\x00b.txt")},
		{"pax-size-negative", record("size", "-1")},
		{"pax-size-letters", record("size", "12x")},
	} {
		t := two()
		t.pax('x', tt.records)
		t.raw(header{name: "c.txt"}, "after a malformed extended header\n")
		t.end()
		add(tt.name, damaged, "readers differ in what of a malformed extended header they pass over", t)
	}
	const believed = "readers differ in which maps they believe"
	for _, tt := range []struct{ name, list, differ string }{
		{"overlapping", "0,10,5,10", believed},
		{"backward", "100,5,0,5", believed},
		{"past-the-end", "0,5,19999,100", believed},
		{"more-than-stored", "0,5,512,5000", believed},
		{"less-than-stored", "0,5", believed},
		{"odd-count", "0,5,7", believed},
		{"letters", "0,x", ""},
		{"empty", "", ""},
	} {
		t := two()
		t.pax('x', record("GNU.sparse.major", "0"), record("GNU.sparse.minor", "1"), record("GNU.sparse.size", "20003"),
			record("GNU.sparse.numblocks", fmt.Sprint((strings.Count(tt.list, ",")+1)/2)),
			record("GNU.sparse.map", tt.list))
		t.raw(header{name: "c.bin"}, strings.Repeat("x", 20))
		t.end()
		add("sparse-map-"+tt.name, damaged, tt.differ, t)
	}
}

// small adds empty tars, and files that are not tars.
func small(add adder) {
	bytes := func(name, want, content string) {
		t := new(tape)
		t.WriteString(content)
		add(name, want, "", t)
	}
	bytes("empty", whole, strings.Repeat("\x00", 10240))
	bytes("empty-two-blocks", whole, strings.Repeat("\x00", 2*blockSize))
	bytes("one-zero-block", truncated, strings.Repeat("\x00", blockSize))
	bytes("no-bytes", notTar, "")
	bytes("text", notTar, strings.Repeat("This is no tar, but a text of several lines.\n", 30))
	bytes("short", notTar, "short")
	dirs := new(tape)
	dirs.raw(header{name: "dir/", kind: '5'}, "")
	dirs.end()
	add("only-directory", whole, "", dirs)
}
