package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/exec"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compressedArchive is an archive in compressed form.
type compressedArchive struct {
	archive
	layer string
}

// digest sums up a listing.
func digest(l listing) string {
	all := sha256.New()
	for _, m := range l {
		fmt.Fprintf(all, "%s %s\n", m[0], m[1])
	}
	return hex.EncodeToString(all.Sum(nil))
}

// compressed are the tars that are compressed, whole or not.
func compressed() (all []compressedArchive) {
	t := new(tape)
	for i := range 40 {
		t.files(fmt.Sprintf("%04d.txt", i), fmt.Sprintf("%04d.cls", i))
	}
	t.end()
	plain := t.Bytes()
	half := len(plain) / 3
	add := func(name, layer, want string, content []byte) {
		a := archive{name: name, content: content, members: t.members, want: want}
		if want != whole {
			a.members = nil // how many are found depends on how much was decoded
		}
		all = append(all, compressedArchive{a, layer})
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	zeros, text := make([]byte, 1000), []byte("not of any compression")

	gz := gzipped(plain, gzip.Header{})
	add("gzip.tar.gz", "gzip", whole, gz)
	full := gzip.Header{Name: "in.tar", Comment: "a comment", Extra: []byte("XY\x03\x00abc")}
	add("gzip-header-full.tar.gz", "gzip", whole, gzipped(plain, full))
	add("gzip-members.tar.gz", "gzip", whole,
		join(gzipped(plain[:half], gzip.Header{}), gzipped(nil, gzip.Header{}), gzipped(plain[half:], gzip.Header{})))
	add("gzip-zeros-after.tar.gz", "gzip", whole, join(gz, zeros))
	add("gzip-text-after.tar.gz", "gzip", whole, join(gz, text))
	add("gzip-cut.tar.gz", "gzip", truncated, gz[:len(gz)/2])
	add("gzip-cut-in-trailer.tar.gz", "gzip", truncated, gz[:len(gz)-5])
	add("gzip-checksum-wrong.tar.gz", "gzip", damaged, flipped(gz, len(gz)-8))
	add("gzip-length-wrong.tar.gz", "gzip", damaged, flipped(gz, len(gz)-4))
	add("gzip-of-cut.tar.gz", "gzip", truncated, gzipped(plain[:half], gzip.Header{}))

	zst := zstandard(plain)
	skippable := join([]byte{0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0}, []byte("passed by"))
	add("zstd.tar.zst", "zstd", whole, zst)
	add("zstd-frames.tar.zst", "zstd", whole, join(zstandard(plain[:half]), skippable, zstandard(plain[half:])))
	add("zstd-skippable-first.tar.zst", "zstd", whole, join(skippable, zst))
	add("zstd-cut.tar.zst", "zstd", truncated, zst[:len(zst)/2])
	add("zstd-checksum-wrong.tar.zst", "zstd", damaged, flipped(zst, len(zst)-1))

	lz := lz4ed(plain, lz4.Block64Kb)
	add("lz4.tar.lz4", "lz4", whole, lz)
	add("lz4-frames.tar.lz4", "lz4", whole, join(lz4ed(plain[:half], lz4.Block64Kb), lz4ed(plain[half:], lz4.Block4Mb)))
	add("lz4-cut.tar.lz4", "lz4", truncated, lz[:len(lz)/2])

	bz := filtered("bzip2", plain)
	add("bzip2.tar.bz2", "bzip2", whole, bz)
	add("bzip2-streams.tar.bz2", "bzip2", whole, join(filtered("bzip2", plain[:half]), filtered("bzip2", plain[half:])))
	add("bzip2-cut.tar.bz2", "bzip2", truncated, bz[:len(bz)/2])

	xz := filtered("xz", plain)
	add("xz.tar.xz", "xz", whole, xz)
	add("xz-streams.tar.xz", "xz", whole,
		join(filtered("xz", plain[:half]), make([]byte, 8), filtered("xz", plain[half:])))
	add("xz-cut.tar.xz", "xz", truncated, xz[:len(xz)/2])
	return all
}

func gzipped(plain []byte, h gzip.Header) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Header = h
	must2(w.Write(plain))
	must(w.Close())
	return b.Bytes()
}

func zstandard(plain []byte) []byte {
	w := must1(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)))
	return w.EncodeAll(plain, nil)
}

func lz4ed(plain []byte, size lz4.BlockSize) []byte {
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	must(w.Apply(lz4.BlockSizeOption(size), lz4.ChecksumOption(true)))
	must2(w.Write(plain))
	must(w.Close())
	return b.Bytes()
}

// filtered returns the standard output of a program for an input.
func filtered(program string, plain []byte) []byte {
	cmd := exec.Command(program, "-9", "-c")
	cmd.Stdin = bytes.NewReader(plain)
	return must1(cmd.Output())
}

// flipped returns a copy with one bit inverted.
func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}
