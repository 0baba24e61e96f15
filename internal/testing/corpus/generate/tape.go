package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

const blockSize = 512

// header is one block of a tar, for what archive/tar does not write.
type header struct {
	name, prefix, link string
	size               int64
	kind               byte   // '0' if it is 0; v7 writes a NUL for that
	magic              string // "ustar\x0000" if it is empty
	mode               int64  // 0644 if it is 0
	uname              string
	edit               func(block []byte) // changes the block before its checksum is computed
}

const (
	posixMagic = "ustar\x0000"
	gnuMagic   = "ustar  \x00"
	noMagic    = "\x00\x00\x00\x00\x00\x00\x00\x00" // of v7
)

// block returns the header's block.
func (h header) block() []byte {
	b := make([]byte, blockSize)
	mode := h.mode
	if mode == 0 {
		mode = 0o644
	}
	magic := h.magic
	if magic == "" {
		magic = posixMagic
	}
	copy(b[0:100], h.name)
	fmt.Fprintf(field(b, 100, 8), "%07o", mode)
	fmt.Fprintf(field(b, 108, 8), "%07o", 0)
	fmt.Fprintf(field(b, 116, 8), "%07o", 0)
	fmt.Fprintf(field(b, 124, 12), "%011o", h.size)
	fmt.Fprintf(field(b, 136, 12), "%011o", 1_700_000_000)
	b[156] = h.kind
	if h.kind == 0 && magic != noMagic {
		b[156] = '0'
	}
	copy(b[157:257], h.link)
	copy(b[257:265], magic)
	copy(b[265:297], h.uname)
	copy(b[345:500], h.prefix)
	if h.edit != nil {
		h.edit(b)
	}
	return sum(b)
}

// sum writes a block's checksum, of unsigned bytes, into it.
func sum(b []byte) []byte {
	copy(b[148:156], "        ")
	total := 0
	for _, c := range b {
		total += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", total))
	return b
}

// sumSigned is sum over signed bytes, as some old writers compute it.
func sumSigned(b []byte) []byte {
	copy(b[148:156], "        ")
	total := 0
	for _, c := range b {
		total += int(int8(c))
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", total))
	return b
}

// fixed writes into a field of fixed size.
type fixed []byte

func (f fixed) Write(p []byte) (int, error) { return copy(f, p), nil }

func field(b []byte, off, size int) fixed { return fixed(b[off : off+size]) }

// base256 writes a number as GNU tar does if it is too large for octal digits.
func base256(b []byte, n int64) {
	clear(b)
	if n < 0 {
		for i := range b {
			b[i] = 0xff
		}
	}
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(n))
	b[0] |= 0x80
}

// tape is a tar that is being built.
type tape struct {
	bytes.Buffer
	members []member // regular members that readers should find
}

// raw appends a header and content that do not count as a member.
func (t *tape) raw(h header, content string) {
	if h.size == 0 {
		h.size = int64(len(content))
	}
	t.Write(h.block())
	t.content(content)
}

// content appends content, filled up to whole blocks.
func (t *tape) content(content string) {
	t.WriteString(content)
	t.Write(make([]byte, -len(content)&(blockSize-1)))
}

// file appends a regular member.
func (t *tape) file(h header, content string) {
	t.raw(h, content)
	t.expect(h.name, content)
}

// expect records a regular member that readers should find.
func (t *tape) expect(name, content string) { t.members = append(t.members, member{name, content}) }

// files appends plain members with a line of text each.
func (t *tape) files(names ...string) {
	for _, name := range names {
		t.file(header{name: name}, "content of "+name+"\n")
	}
}

// pax appends an extended header for the next member, or a global one if kind is 'g'.
func (t *tape) pax(kind byte, records ...string) {
	t.raw(header{name: "PaxHeaders.0/x", kind: kind}, strings.Join(records, ""))
}

// record returns a record of an extended header.
func record(key, value string) string {
	n := len(key) + len(value) + 3
	for n != len(fmt.Sprint(n))+len(key)+len(value)+3 {
		n = len(fmt.Sprint(n)) + len(key) + len(value) + 3
	}
	return fmt.Sprintf("%d %s=%s\n", n, key, value)
}

// long appends GNU tar's header for a long name ('L') or link ('K') of the next member.
func (t *tape) long(kind byte, name string) {
	t.raw(header{name: "././@LongLink", kind: kind, magic: gnuMagic}, name+"\x00")
}

// end appends the end marker, and zeros up to whole records of 10 240 bytes.
func (t *tape) end() {
	t.Write(make([]byte, 2*blockSize))
	t.Write(make([]byte, (10240-t.Len()%10240)%10240))
}

// written returns a tape that archive/tar writes.
func written(headers ...*tar.Header) *tape {
	t := new(tape)
	w := tar.NewWriter(t)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "content of " + h.Name + "\n"
			h.Size, h.Mode = int64(len(content)), 0o644
			t.expect(h.Name, content)
		}
		must(w.WriteHeader(h))
		must2(w.Write([]byte(content)))
	}
	must(w.Close())
	return t
}

// piece is a stored part of a sparse member.
type piece struct {
	off  int64
	data string
}

// expand returns the content of a sparse member.
func expand(size int64, pieces []piece) string {
	b := make([]byte, size)
	for _, p := range pieces {
		copy(b[p.off:], p.data)
	}
	return string(b)
}

// stored returns the stored bytes of a sparse member.
func stored(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.data)
	}
	return b.String()
}

// oldSparse appends a sparse member as GNU tar's old format has it: four pieces in the header, 21 in each block after
// it.
func (t *tape) oldSparse(name string, size int64, pieces []piece) {
	put := func(b []byte, pieces []piece) {
		for i, p := range pieces {
			fmt.Fprintf(field(b, 24*i, 12), "%011o", p.off)
			fmt.Fprintf(field(b, 24*i+12, 12), "%011o", len(p.data))
		}
	}
	first := pieces[:min(4, len(pieces))]
	rest := pieces[len(first):]
	h := header{name: name, kind: 'S', magic: gnuMagic, size: int64(len(stored(pieces))), edit: func(b []byte) {
		put(b[386:482], first)
		if len(rest) > 0 {
			b[482] = 1
		}
		fmt.Fprintf(field(b, 483, 12), "%011o", size)
	}}
	t.Write(h.block())
	for len(rest) > 0 {
		b := make([]byte, blockSize)
		some := rest[:min(21, len(rest))]
		rest = rest[len(some):]
		put(b, some)
		if len(rest) > 0 {
			b[504] = 1
		}
		t.Write(b)
	}
	t.content(stored(pieces))
}

// paxSparse appends a sparse member in one of the PAX formats.
func (t *tape) paxSparse(version, name string, size int64, pieces []piece) {
	records := []string{}
	content := stored(pieces)
	inHeader := name
	switch version {
	case "0.0":
		records = append(records, record("GNU.sparse.size", fmt.Sprint(size)),
			record("GNU.sparse.numblocks", fmt.Sprint(len(pieces))))
		for _, p := range pieces {
			records = append(records, record("GNU.sparse.offset", fmt.Sprint(p.off)),
				record("GNU.sparse.numbytes", fmt.Sprint(len(p.data))))
		}
	case "0.1":
		list := make([]string, 0, 2*len(pieces))
		for _, p := range pieces {
			list = append(list, fmt.Sprint(p.off), fmt.Sprint(len(p.data)))
		}
		records = append(records, record("GNU.sparse.name", name), record("GNU.sparse.size", fmt.Sprint(size)),
			record("GNU.sparse.numblocks", fmt.Sprint(len(pieces))), record("GNU.sparse.map", strings.Join(list, ",")))
		inHeader = "GNUSparseFile.0/x"
	default:
		major, minor, _ := strings.Cut(version, ".")
		records = append(records, record("GNU.sparse.major", major), record("GNU.sparse.minor", minor),
			record("GNU.sparse.name", name), record("GNU.sparse.realsize", fmt.Sprint(size)))
		var list strings.Builder
		fmt.Fprintln(&list, len(pieces))
		for _, p := range pieces {
			fmt.Fprintf(&list, "%d\n%d\n", p.off, len(p.data))
		}
		list.Write(make([]byte, -list.Len()&(blockSize-1)))
		content = list.String() + content
		inHeader = "GNUSparseFile.0/x"
	}
	t.pax('x', records...)
	t.raw(header{name: inHeader}, content)
}
