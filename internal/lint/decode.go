package lint

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // formats of image.DecodeConfig
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
)

// Decode makes Read check the content of members, too, by their extensions. It keeps a few KiB of a member at a time.
func (c *Checker) Decode() { c.decoding = true }

// contentError is what is wrong with content.
type contentError struct {
	code Code
	fill any
}

// decoders check content by the last part of an extension.
var decoders = map[string]func(s *Shard, ext string, r io.Reader) *contentError{
	"txt": text, "text": text, "transcript": text,
	"cls": number, "cls2": number, "class": number, "count": number, "index": number, "inx": number, "id": number,
	"json": document, "jsn": document,
	"jpg": picture, "jpeg": picture, "png": picture, "gif": picture, "webp": picture,
	"npy": array, "npz": arrays, "pyd": pickled, "pickle": pickled,
}

// checkContent checks the content of an entry.
func (s *Shard) checkContent(e *index.Entry, r io.Reader) {
	name := string(e.Name)
	key, ext, ok := index.MemberKey(name)
	if !ok || e.Sparse != nil || s.c.err != nil {
		return
	}
	if wrong := s.decode(fold(ext), r); wrong != nil {
		s.report(wrong.code, subject{key: key, member: name, offset: e.Header}, wrong.fill)
	}
}

// maxUnpacked is how many bytes of a compressed member are read.
const maxUnpacked = 1 << 30

// decode checks content of an extension.
func (s *Shard) decode(ext string, r io.Reader) *contentError {
	if inner, ok := strings.CutSuffix(ext, ".gz"); ok {
		z, err := gzip.NewReader(bufio.NewReader(r))
		if err != nil {
			return &contentError{BadGzip, err}
		}
		unpacked := io.LimitReader(z, maxUnpacked)
		if wrong := s.decode(inner, unpacked); wrong != nil {
			return wrong
		}
		if _, err := io.Copy(io.Discard, unpacked); err != nil {
			return &contentError{BadGzip, err}
		}
		return nil
	}
	if check := decoders[ext[strings.LastIndexByte(ext, '.')+1:]]; check != nil {
		return check(s, ext, r)
	}
	return nil
}

// text checks that content is UTF-8.
func text(_ *Shard, _ string, r io.Reader) *contentError {
	in, at := bufio.NewReader(r), 0
	for {
		c, n, err := in.ReadRune()
		if err != nil {
			return nil
		}
		if c == utf8.RuneError && n == 1 {
			return &contentError{BadText, at}
		}
		at += n
	}
}

// maxDigits is how many digits of a number Python reads.
const maxDigits = 4300

// number checks that content is a whole number for int() of Python.
func number(_ *Shard, _ string, r io.Reader) *contentError {
	b, _ := io.ReadAll(io.LimitReader(r, 2*maxDigits))
	digits := strings.Trim(string(b), " \t\n\v\f\r")
	digits = strings.TrimPrefix(strings.TrimPrefix(digits, "-"), "+")
	last := byte('_')
	for i := range len(digits) {
		c := digits[i]
		if (c < '0' || c > '9') && (c != '_' || last == '_') {
			last = '_'
			break
		}
		last = c
	}
	if last == '_' || len(digits) > maxDigits {
		return &contentError{BadNumber, b}
	}
	return nil
}

// document checks that content is JSON, and that it fits the first documents of the dataset.
func document(s *Shard, ext string, r io.Reader) *contentError {
	v, mixed, err := readJSON(r)
	if err != nil {
		return &contentError{BadJSON, err}
	}
	d := s.c.documents[ext]
	if d == nil {
		d = &documents{}
		s.c.documents[ext] = d
	}
	if d.n++; d.n > leading {
		return nil
	}
	all, ok := merge(d.all, v, false)
	if d.all = all; !ok || mixed {
		return &contentError{JSONDiffers, map[bool]string{true: "a list has values of several types",
			false: "a field has another type than before"}[mixed]}
	}
	return nil
}

// documents are the first JSON documents of an extension.
type documents struct {
	n   int
	all *shape // the types of all of them
}

// otherPictures are the beginnings of pictures of formats that are not looked into.
var otherPictures = []string{"BM", "II*\x00", "MM\x00*", "\x00\x00\x00\x0cjP  ", "\xff\x4f\xff\x51", "P5",
	"P6", "P4"}

// picture checks the header of a picture. Readers tell its format by content, so the extension does not matter.
func picture(_ *Shard, _ string, r io.Reader) *contentError {
	in := bufio.NewReader(r)
	head, _ := in.Peek(16)
	for _, magic := range otherPictures {
		if bytes.HasPrefix(head, []byte(magic)) {
			return nil
		}
	}
	switch {
	case len(head) == 16 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		if kind := string(head[12:]); kind != "VP8 " && kind != "VP8L" && kind != "VP8X" {
			return &contentError{BadPicture, fmt.Sprintf("a chunk %q of WebP", kind)}
		}
		return nil
	case len(head) >= 12 && string(head[4:8]) == "ftyp": // AVIF, HEIF
		return nil
	}
	c, _, err := image.DecodeConfig(in)
	var jpegLacks jpeg.UnsupportedError
	var pngLacks png.UnsupportedError
	switch {
	case errors.As(err, &jpegLacks), errors.As(err, &pngLacks):
		return nil
	case err != nil:
		return &contentError{BadPicture, err}
	case c.Width == 0 || c.Height == 0:
		return &contentError{BadPicture, "it has no pixels"}
	}
	return nil
}

// array checks the header of an array of NumPy.
func array(_ *Shard, _ string, r io.Reader) *contentError {
	const magic = "\x93NUMPY"
	head := make([]byte, 10)
	if n, _ := io.ReadFull(r, head); n < len(head) || string(head[:6]) != magic {
		return &contentError{BadArray, "it does not begin as one of NumPy"}
	}
	size := int(head[8]) | int(head[9])<<8
	if head[6] > 1 {
		more := make([]byte, 2)
		if _, err := io.ReadFull(r, more); err != nil {
			return &contentError{BadArray, "its header is cut"}
		}
		size |= int(more[0])<<16 | int(more[1])<<24
	}
	if head[6] == 0 || head[6] > 3 || size > maxUnpacked {
		return &contentError{BadArray, "its header is of no known version"}
	}
	text, _ := io.ReadAll(io.LimitReader(r, min(int64(size), 64<<10)))
	for _, field := range []string{"'descr'", "'fortran_order'", "'shape'"} {
		if !bytes.Contains(text, []byte(field)) {
			return &contentError{BadArray, "its header lacks " + field}
		}
	}
	return nil
}

// arrays checks that content begins as a zip file.
func arrays(_ *Shard, _ string, r io.Reader) *contentError {
	head := make([]byte, 4)
	io.ReadFull(r, head)
	if magic := string(head); magic != "PK\x03\x04" && magic != "PK\x05\x06" {
		return &contentError{BadArray, "it does not begin as a zip file"}
	}
	return nil
}

// pickled checks that content begins as a pickle of Python 3, and ends as one.
func pickled(_ *Shard, _ string, r io.Reader) *contentError {
	head := make([]byte, 2)
	io.ReadFull(r, head)
	last := head[1:]
	if head[0] != 0x80 || head[1] < 2 || head[1] > 5 {
		return &contentError{BadPickle, "it begins as none"}
	}
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			last = append(last[:0], buf[n-1])
		}
		if err != nil {
			break
		}
	}
	if last[0] != '.' {
		return &contentError{BadPickle, "its end is missing"}
	}
	return nil
}
