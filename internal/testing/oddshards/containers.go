package oddshards

import (
	"bytes"
	"slices"
)

// cut is where shards are cut that are compressed in two parts: after the data of a member.
const cut = 6 * blockSize

// containers returns shards that are compressed, or more than one tar.
func containers() []Shard {
	whole := tar(some(0, 8))
	front, rest := whole[:cut], whole[cut:]
	two := tar(some(0, 4))
	second := tar(some(4, 4))
	return []Shard{
		one("compressed-gzip", ".tgz", gz(whole)),
		one("compressed-gzip-tar", ".tar", gz(whole)),
		one("compressed-bzip2", ".tar.bz2", decoded(bzip2Whole)),
		one("compressed-xz", ".tar.xz", xz(whole)),
		one("compressed-zstd", ".tar.zst", zst(whole)),
		one("compressed-lz4", ".tar.lz4", lz4(whole)),
		one("several-members-gzip", ".tgz", slices.Concat(gz(front), gz(rest))),
		one("several-members-bzip2", ".tar.bz2", slices.Concat(decoded(bzip2Front), decoded(bzip2Rest))),
		one("several-members-xz", ".tar.xz", slices.Concat(xz(front), xz(rest))),
		one("several-members-zstd", ".tar.zst", slices.Concat(zst(front), zst(rest))),
		one("several-members-lz4", ".tar.lz4", slices.Concat(lz4(front), lz4(rest))),
		one("empty-member-gzip", ".tgz", slices.Concat(gz(nil), gz(whole))),
		one("empty-stream-xz", ".tar.xz", slices.Concat(xz(nil), xz(whole))),
		one("empty-frame-zstd", ".tar.zst", slices.Concat(zst(nil), zst(whole))),
		one("skippable-frame-zstd", ".tar.zst",
			slices.Concat([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00lamp"), zst(whole))),
		one("extra-field", ".tgz", gz(whole, 'B', 'C', 2, 0, 1, 2)),
		one("gzip-in-gzip", ".tgz", gz(gz(whole))),
		one("second-tar", ".tar", slices.Concat(two, second)),
		one("second-tar-gzip", ".tgz", gz(slices.Concat(two, second))),
		one("second-tar-gzip-members", ".tgz", slices.Concat(gz(two), gz(second))),
		one("zero-block-amid", ".tar", slices.Concat(some(0, 2), make([]byte, blockSize), tar(some(2, 2)))),
		one("short-end", ".tar", slices.Concat(some(0, 4), make([]byte, 2*blockSize))),
		one("long-end", ".tar", slices.Concat(some(0, 4), make([]byte, 60*blockSize))),
	}
}

// damage returns shards that are cut short, damaged, or no tar.
func damage() []Shard {
	members := some(0, 4)
	whole, zipped := tar(members), gz(tar(some(0, 8)))
	flipped := bytes.Clone(whole)
	flipped[8*blockSize+5] ^= 1
	badSum := bytes.Clone(zipped)
	badSum[len(badSum)-8] ^= 0xff
	long := file("big.jpg", string(bytes.Repeat([]byte("lamp "), 1000)))
	return []Shard{
		one("not-tar", ".tar", bytes.Repeat([]byte("No lamp burns in this file. "), 100)),
		one("zero-bytes", ".tar", nil),
		one("truncated-data", ".tar", append(some(0, 3), long[:900]...)),
		one("truncated-header", ".tar", whole[:8*blockSize+200]),
		one("truncated-no-end", ".tar", members),
		one("truncated-half-end", ".tar", whole[:len(members)+blockSize]),
		one("truncated-between", ".tar", whole[:10*blockSize]),
		one("damaged-header", ".tar", flipped),
		one("damaged-crc-gzip", ".tgz", badSum),
		one("truncated-gzip", ".tgz", zipped[:len(zipped)/2]),
		one("truncated-xz", ".tar.xz", xz(whole)[:4000]),
		one("bytes-behind", ".tar", append(bytes.Clone(whole), bytes.Repeat([]byte("ash"), 300)...)),
		one("bytes-behind-gzip", ".tgz", append(gz(whole), bytes.Repeat([]byte("ash"), 300)...)),
		one("zeros-behind-gzip", ".tgz", append(gz(whole), make([]byte, 1024)...)),
	}
}

// contents returns shards with content that a reader which decodes it cannot read.
func contents() []Shard {
	zipped, other := string(gz([]byte("a lamp"))), string(gz([]byte("a moon")))
	around := func(name string, odd ...[]byte) Shard { return plain(name, members(odd...), some(0, 3)) }
	return []Shard{
		plain("cls-text", file("a.cls", "lantern"), file("a.jpg"), file("b.cls", "torch"), file("b.jpg")),
		plain("cls-newline", file("a.cls", "7\n"), file("a.jpg"), file("b.cls", "8\n"), file("b.jpg")),
		plain("json-bad", file("a.json", "{lamp"), file("b.json"), file("c.json")),
		plain("json-array", file("a.json"), file("b.json", `["lamp", 1]`), file("c.json")),
		plain("json-nan", file("a.json"), file("b.json", `{"lamp": NaN}`), file("c.json")),
		plain("json-types-differ", file("a.json"), file("b.json", `{"lamp": "oil"}`), file("c.json")),
		plain("txt-latin1", file("a.txt", "caf\xe9"), file("a.jpg"), file("b.txt", "tea"), file("b.jpg")),
		plain("gz-false", file("a.txt.gz", "no gzip"), file("a.jpg"), file("b.txt.gz", zipped), file("b.jpg")),
		plain("gz-true", file("a.txt.gz", zipped), file("a.jpg"), file("b.txt.gz", other), file("b.jpg")),
		plain("gz-extension", file("a.gz", zipped), file("a.jpg"), file("b.gz", other), file("b.jpg")),
		plain("npy-bad", file("a.npy", "no array"), file("b.npy", "no array")),
		around("tar-in-tar", file("x.tar", string(tar(some(0, 1)))), file("x.cls")),
	}
}

// shardNames returns ordinary shards with odd names.
func shardNames() []Shard {
	named := func(name string, paths ...string) Shard {
		s := Shard{Name: name}
		for i, path := range paths {
			s.Files = append(s.Files, File{path, tar(some(4*i, 4))})
		}
		return s
	}
	return []Shard{
		named("shards-equal-names", "a/0.tar", "b/0.tar"),
		named("shard-name-hash", "lamp#1.tar"),
		named("shard-name-question", "lamp?1.tar"),
		named("shard-name-colons", "lamp::1.tar"),
		named("shard-name-colon", "lamp:1.tar"),
		named("shard-name-braces", "lamp{1}.tar"),
		named("shard-name-brace-list", "lamp{a,b}.tar"),
		named("shard-name-yaml", "lamp.yaml"),
		named("shard-name-percent", "lamp%201.tar"),
		named("shard-name-blank", "lamp 1.tar"),
		named("shard-name-at", "@lamp.tar"),
		named("shard-name-dots", "lamp.0.1.tar"),
		named("shard-name-none", "lamp"),
		named("shard-name-not-ascii", "lämp.tar"),
		named("shard-name-glob", "lamp[1].tar"),
	}
}
