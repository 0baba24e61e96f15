package lint

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"image"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
)

// Content is checked by the last part of the extension.
func TestDecode(t *testing.T) {
	encoded := func(encode func(w io.Writer, m image.Image) error) string {
		var b bytes.Buffer
		if err := encode(&b, image.NewPaletted(image.Rect(0, 0, 3, 2), palette.WebSafe)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	aPNG := encoded(png.Encode)
	aJPEG := encoded(func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) })
	aGIF := encoded(func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) })
	zipped := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, text)
		w.Close()
		return b.String()
	}
	npy := "\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
	for _, tt := range []struct {
		ext, content string
		want         Code
	}{
		{"txt", "", ""}, {"txt", "caf\u00e9", ""}, {"txt", "caf\xe9", BadText}, {"txt", strings.Repeat("a",
			5000) + "\xc3", BadText},
		{"TXT", "caf\xe9", BadText}, {"caption.text", "caf\xe9", BadText}, {"txt", "\ufffd", ""}, {"other",
			"caf\xe9", ""},
		{"cls", "7", ""}, {"cls", " -12_000\n", ""}, {"cls", "+7", ""}, {"cls", "", BadNumber}, {"cls", "dog",
			BadNumber},
		{"cls", "7.0", BadNumber}, {"cls", "1__0", BadNumber}, {"cls", "_1", BadNumber}, {"cls", "1_", BadNumber},
		{"cls", strings.Repeat("1", 4300), ""}, {"cls", strings.Repeat("1", 4301), BadNumber}, {"id", "x",
			BadNumber},
		{"cls", "--1", BadNumber}, {"index", "0x10", BadNumber}, {"count", "1 2", BadNumber},
		{"json", `{"a": [1, 2.5, null], "b": "\u00e9\n", "c": {}, "d": []}`, ""}, {"json", "[]", ""}, {"json",
			" 1e5 ", ""},
		{"json", "\xef\xbb\xbf{}", ""}, {"json", "NaN", ""}, {"json", "-Infinity", ""}, {"json",
			"\"caf\u00e9\"", ""},
		{"json", "{\x00\x00\x00", ""}, {"json", `{"a": "caf` + "\xe9" + `"}`, BadJSON}, {"json", "", BadJSON},
		{"json", "{", BadJSON}, {"json", `{"a" 1}`, BadJSON}, {"json", `{"a": 1,}`, BadJSON}, {"json", "[1,]",
			BadJSON},
		{"json", "[1 2]", BadJSON}, {"json", "{'a': 1}", BadJSON}, {"json", "nul", BadJSON}, {"json", "01",
			BadJSON},
		{"json", "1.", BadJSON}, {"json", "1e", BadJSON}, {"json", "-", BadJSON}, {"json", `"a`, BadJSON},
		{"json", "\"a\nb\"", BadJSON}, {"json", `"\x"`, BadJSON}, {"json", `"\u12g4"`, BadJSON}, {"json",
			"1 2", BadJSON},
		{"json", "[1, \"a\"]", JSONDiffers}, {"json", strings.Repeat("[", 20_000), BadJSON}, {"jsn", "x", BadJSON},
		{"json", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), ""},
		{"jpg", aJPEG, ""}, {"png", aPNG, ""}, {"gif", aGIF, ""}, {"jpg", aPNG, ""}, {"jpeg", aJPEG[:20],
			BadPicture},
		{"png", "\x89PNG\r\n\x1a\n", BadPicture}, {"jpg", "", BadPicture}, {"jpg", "<html>", BadPicture},
		{"webp", "RIFF\x00\x00\x00\x00WEBPVP8 ", ""}, {"webp", "RIFF\x00\x00\x00\x00WEBPjunk", BadPicture},
		{"jpg", "BM and more", ""}, {"jpg", "\x00\x00\x00\x1cftypavif", ""},
		{"npy", npy, ""}, {"npy", "no array", BadArray}, {"npy", npy[:30], BadArray}, {"npz", "PK\x03\x04",
			""}, {"npz", "", BadArray},
		{"npy", "\x93NUMPY\x09\x00\x46\x00\x00\x00", BadArray}, {"npy", "\x93NUMPY\x02\x00\x46\x00", BadArray},
		{"pyd", "\x80\x04N.", ""}, {"pyd", "\x80\x04N", BadPickle}, {"pickle", "x", BadPickle}, {"pyd", "",
			BadPickle},
		{"txt.gz", zipped("tea"), ""}, {"txt.gz", "tea", BadGzip}, {"txt.gz", zipped("tea")[:20], BadGzip},
		{"json.gz", zipped("{"), BadJSON}, {"gz", "anything", ""}, {"bin.gz", zipped("tea")[:20], BadGzip},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		w.WriteHeader(&tar.Header{Name: "a." + tt.ext, Typeflag: tar.TypeReg, Size: int64(len(tt.content))})
		io.WriteString(w, tt.content)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var got []Code
		c := New(func(f Finding) error {
			if rules[f.Code].severity == Error {
				got = append(got, f.Code)
			}
			return nil
		})
		c.Decode()
		if err := c.Open("a.tar").Read(&b); err != nil {
			t.Fatal(err)
		}
		if tt.want == "" && got != nil || tt.want != "" && !slices.Equal(got, []Code{tt.want}) {
			t.Errorf("%s of %.50q: %q, want %q", tt.ext, tt.content, got, tt.want)
		}
	}
}

// The first JSON documents of a dataset must fit into one table.
func TestJSONDiffers(t *testing.T) {
	long := strings.Repeat("a", 2*maxText)
	for _, tt := range []struct {
		documents []string
		want      bool
	}{
		{[]string{`{"a": 1}`, `{"a": 2, "b": null}`, `{"b": "x"}`}, false},
		{[]string{`{"a": 1}`, `{"a": 1.5}`}, true},
		{[]string{`{"a": [1, 2.5]}`, `{"a": []}`, `{"a": [0.5]}`}, false},
		{[]string{`{"a": {"b": 1}}`, `{"a": {"b": "x"}}`}, true},
		{[]string{`{"a": 1}`, `[1]`}, true},
		{[]string{`{"é": 1}`, `{"ĩ": "x"}`}, false}, // their last bytes are the same
		{[]string{`{"é": 1}`, `{"é": "x"}`}, true},
		{[]string{`{"\u0041\n": 1}`, `{"\u0042\t": "x"}`}, false},
		{[]string{`{"` + long + `1": 1}`, `{"` + long + `2": "x"}`}, false},
		{[]string{`1`, `1`, `1`, `1`, `1`, `"after the first five"`}, false},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for i, text := range tt.documents {
			w.WriteHeader(&tar.Header{Name: string(rune('a'+i)) + ".json", Typeflag: tar.TypeReg,
				Size: int64(len(text))})
			io.WriteString(w, text)
		}
		w.Close()
		found := false
		c := New(func(f Finding) error {
			found = found || f.Code == JSONDiffers
			return nil
		})
		c.Decode()
		if err := c.Open("a.tar").Read(&b); err != nil || found != tt.want {
			t.Errorf("%q: %t, %v", tt.documents, found, err)
		}
	}
}
