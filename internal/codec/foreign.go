package codec

import (
	"bytes"
	"strings"
)

// Foreign is what a file is that is not a shard, by its first bytes. As an error it is ErrFormat.
type Foreign struct {
	Name string // of the format, with an article if it is no compression
	way  string // what the user can do

	compression bool
}

// Error says what the file is.
func (f *Foreign) Error() string {
	if f.compression {
		return ErrFormat.Error() + ": " + f.Name
	}
	return "it is " + f.Name
}

// Is implements [errors.Is].
func (f *Foreign) Is(target error) bool { return target == ErrFormat }

// Hint returns what the user can do, or "".
func (f *Foreign) Hint() string { return f.way }

// Within returns f as it is found in a shard compressed in another format.
func (f *Foreign) Within(format Format) *Foreign {
	within := *f
	if within.Name += " in " + format.String(); f.compression {
		within.way = "decompress it once: other readers do not do it twice either"
	}
	return &within
}

// Recognize returns what a file is that begins with these bytes and is not a shard; nil if that is not known. It is for
// messages only: a plain tar can begin with the same bytes.
func Recognize(head []byte) *Foreign {
	text := strings.ToLower(string(bytes.TrimLeft(head, " \t\r\n\ufeff")))
	for _, row := range foreign {
		for _, magic := range row.begins {
			if bytes.HasPrefix(head, []byte(magic)) || row.text && strings.HasPrefix(text, magic) {
				return &row.Foreign
			}
		}
	}
	switch {
	case len(head) > 1 && head[0] == 0x78 && (int(head[0])<<8|int(head[1]))%31 == 0:
		return &Foreign{"zlib", "zlib-flate -uncompress, or zlib of Python, decompresses it", true}
	case strings.HasPrefix(text, "{") && strings.HasPrefix(strings.TrimLeft(text[1:], " \t\r\n"), `"`):
		return &Foreign{"JSON, maybe the answer of a server", answered, false}
	}
	if f := Detect(head); f != Plain {
		return &Foreign{f.String(), "", true}
	}
	return nil
}

const (
	answered = "download it again: curl -f fails where a server answers with an error"
	extract  = "extract it, and make a shard of the folder: shardfs pack FOLDER -o OUT.tar"
	decrypt  = " | shardfs run - ... (or pack -, check -)"
)

func via(command string) string { return command + " SHARD | shardfs run - ... (or pack -, check -)" }

// foreign are formats by what files in them begin with.
var foreign = [...]struct {
	Foreign
	text   bool // letters of any case, after white space
	begins []string
}{
	{Foreign{"compress", via("gzip -dc"), true}, false, []string{"\x1f\x9d"}},
	{Foreign{"lzip", via("lzip -dc"), true}, false, []string{"LZIP"}},
	{Foreign{"lzma", via("xz -dc"), true}, false, []string{"\x5d\x00\x00"}},
	{Foreign{"lzop", via("lzop -dc"), true}, false, []string{"\x89LZO\x00\r\n\x1a\n"}},
	{Foreign{"lz4 in its legacy frames", via("lz4 -dc"), true}, false, []string{"\x02\x21\x4c\x18"}},
	{Foreign{"snappy", "snzip -dc decompresses it", true}, false, []string{"\xff\x06\x00\x00sNaPpY"}},
	{Foreign{"a zip archive", extract, false}, false, []string{"PK\x03\x04", "PK\x05\x06"}},
	{Foreign{"a 7z archive", extract, false}, false, []string{"7z\xbc\xaf"}},
	{Foreign{"a rar archive", extract, false}, false, []string{"Rar!\x1a\x07"}},
	{Foreign{"a cpio archive", extract, false}, false, []string{"070701", "070707"}},
	{Foreign{"a Parquet file", "read it by pyarrow or datasets, and write its rows to a folder or tar", false}, false,
		[]string{"PAR1", "PARE"}},
	{Foreign{"an Arrow file", "read it by pyarrow or datasets, and write its rows to a folder or tar", false}, false,
		[]string{"ARROW1", "\xff\xff\xff\xff"}},
	{Foreign{"an HDF5 file", "", false}, false, []string{"\x89HDF\r\n"}},
	{Foreign{"a NumPy array", "", false}, false, []string{"\x93NUMPY"}},
	{Foreign{"a program", "", false}, false, []string{"\x7fELF"}},
	{Foreign{"a Python pickle", "", false}, false, []string{"\x80\x02", "\x80\x03", "\x80\x04", "\x80\x05"}},
	{Foreign{"a PDF document", "shards are tars of files: shardfs pack FOLDER -o OUT.tar", false}, false,
		[]string{"%PDF-"}},
	{Foreign{"a picture", "shards are tars of pictures: shardfs pack FOLDER -o OUT.tar", false}, false,
		[]string{"\x89PNG", "\xff\xd8\xff", "GIF8"}},
	{Foreign{"encrypted by age", "age -d SHARD" + decrypt, false}, true,
		[]string{"age-encryption.org/", "-----begin age encrypted file"}},
	{Foreign{"encrypted by openssl", "openssl enc -d ... -in SHARD" + decrypt, false}, false, []string{"Salted__"}},
	{Foreign{"encrypted by gpg", "gpg -d SHARD" + decrypt, false}, true, []string{"-----begin pgp message"}},
	{Foreign{"encrypted by gpg", "gpg -d SHARD" + decrypt, false}, false,
		[]string{"\x8c\x0d\x04", "\x85\x01\x0c\x03", "\x85\x01\x8c\x03", "\x85\x02\x0c\x03", "\x84\x5e\x03"}},
	{Foreign{"a pointer of Git LFS, not the file itself", "git lfs pull fetches the file", false}, false,
		[]string{"version https://git-lfs"}},
	{Foreign{"an HTML page", answered, false}, true, []string{"<!doctype html", "<html"}},
	{Foreign{"XML, maybe the answer of a server", answered, false}, true, []string{"<?xml", "<error"}},
}
