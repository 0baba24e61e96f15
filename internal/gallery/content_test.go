package gallery

import (
	"archive/tar"
	"bytes"
	"encoding/json"

	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// writeShard makes a shard of members: names and contents by turns.
func writeShard(t *testing.T, members ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		h := &tar.Header{Name: members[i], Size: int64(len(members[i+1])), Mode: 0o644, ModTime: shardtest.ModTime()}
		shardtest.Check(t, w.WriteHeader(h))
		_, err := io.WriteString(w, members[i+1])
		shardtest.Check(t, err)
	}
	shardtest.Check(t, w.Close())
	name := filepath.Join(t.TempDir(), "shard.tar")
	shardtest.Check(t, os.WriteFile(name, b.Bytes(), 0o644))
	return name
}

// picture returns a JPEG.
func testPicture(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	shardtest.Check(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, width, height)), nil))
	return b.String()
}

// What samples hold is never sent as something that runs.
func TestRawTypes(t *testing.T) {
	const script = "<script>alert(1)</script>"
	var members []string
	for _, ext := range []string{
		"html", "HTM", "svg", "xhtml", "js", "mjs", "xml", "pdf", "swf", "css", "json", "x.html", "wasm", "bin",
	} {
		members = append(members, "a."+ext, script)
	}
	s := serve(t, writeShard(t, members...))
	for m := range len(members) / 2 {
		_, h, body := s.do("raw/0/"+jsonText(m), nil)
		kind := h.Get("Content-Type")
		if body != script || kind != "text/plain; charset=utf-8" && kind != "application/octet-stream" ||
			!strings.HasSuffix(h.Get("Content-Security-Policy"), "; sandbox") ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %q %v", members[2*m], body, h)
		}
		if kind == "application/octet-stream" && !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: opened in the page: %v", members[2*m], h)
		}
	}
}

// A download has a name that is no path and breaks no header.
func TestDisposition(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt":          `attachment; filename=a.txt`,
		"../../etc/a.b":  `attachment; filename=a.b`,
		`x\..\y.txt`:     `attachment; filename=x_.._y.txt`,
		"a\r\nSet: b.c":  `attachment; filename="a__Set_ b.c"`,
		`a"; x="b.txt`:   `attachment; filename="a_; x=_b.txt"`,
		"a/..":           `attachment; filename=member`,
		"é.txt":          `attachment; filename*=utf-8''%C3%A9.txt`,
		"\xff.txt":       `attachment; filename=_.txt`,
		"a\u202egpj.exe": `attachment; filename=a_gpj.exe`,
	} {
		if got := disposition(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// A command is what it looks like, whatever a key has in it.
func TestCommandLine(t *testing.T) {
	for word, want := range map[string]string{
		"a/b.tar":    "a/b.tar",
		"":           "''",
		"a b":        "'a b'",
		"$(rm -r x)": "'$(rm -r x)'",
		"it's":       `'it'\''s'`,
		"a\nb":       `$'a\x0ab'`,
		"\xff'\\":    `$'\xff\'\\'`,
		"a\u202eb":   `$'a\xe2\x80\xaeb'`,
	} {
		if got := commandLine(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

func TestThumbs(t *testing.T) {
	bomb := testPicture(t, 16, 16)
	at := strings.Index(bomb, "\xff\xc0") + 5
	bomb = bomb[:at] + "\xff\xf0\xff\xf0" + bomb[at+4:] // 65520 x 65520
	s := serve(t, writeShard(t, "a.jpg", testPicture(t, 300, 100), "b.jpg", bomb, "c.jpg", "no picture",
		"d.jpg", testPicture(t, 300, 100)[:500], "e.txt", "x"))
	status, h, body := s.do("thumb/0/0?side=64", nil)
	c, err := jpeg.DecodeConfig(strings.NewReader(body))
	if status != 200 || h.Get("Content-Type") != "image/jpeg" || err != nil || c.Width != 64 || c.Height != 21 {
		t.Errorf("%d %v %v %v", status, h, c, err)
	}
	if _, _, again := s.do("thumb/0/0?side=64", nil); again != body {
		t.Error("another one the second time")
	}
	for path, want := range map[string]int{"thumb/1/0": 413, "thumb/2/0": 415, "thumb/3/0": 415, "thumb/4/0": 415} {
		if status, _, body := s.do(path, nil); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
}

// A text in pieces is the text, and no character is cut.
func TestTextPieces(t *testing.T) {
	text := strings.Repeat("aé€😀", mostText/5) + "\xff"
	s := serve(t, writeShard(t, "a.txt", text))
	got := ""
	for from := 0; from < len(text); from += mostText {
		_, _, piece := s.do("text/0/0?from="+jsonText(from), nil)
		got += piece
	}
	if want := strings.ToValidUTF8(text, "\uFFFD"); got != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	if status, _, _ := s.do("text/0/0?from="+jsonText(len(text)+1), nil); status != 400 {
		t.Errorf("after the end: %d", status)
	}
	if _, _, hex := s.do("hex/0/0?from="+jsonText(len(text)-1), nil); hex != "\xff" {
		t.Errorf("hex: %q", hex)
	}
}

func jsonText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestArrays(t *testing.T) {
	npy := func(header, data string) string {
		return "\x93NUMPY\x01\x00" + string(rune(len(header))) + "\x00" + header + data
	}
	s := serve(t, writeShard(t,
		"a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
			"\x00\x00\x80?\x00\x00\x00@\x00\x00\xc0\x7f\x00\x00\x80\xff"),
		"b.npy", npy("{'descr': '|u1', 'fortran_order': True, 'shape': (3,), }", "\x01\x02\xff"),
		"c.npy", npy("{'descr': '>i2', 'fortran_order': False, 'shape': (), }", "\xff\xfe"),
		"d.npy", "nothing", "e.npy", "\x93NUMPY\x02\x00\xff\xff\xff\xff"))
	for n, want := range []string{
		`{"dtype":"float32","shape":[2,2],"values":[1,2,"NaN","-Infinity"],"min":1,"max":2,"order":"C"}`,
		`{"dtype":"uint8","shape":[3],"values":[1,2,255],"min":1,"max":255,"order":"Fortran"}`,
		`{"dtype":"int16","shape":[],"values":[-2],"min":-2,"max":-2,"order":"C"}`,
	} {
		if status, _, body := s.do("array/"+jsonText(n)+"/0", nil); strings.TrimSpace(body) != want {
			t.Errorf("%d: %d %s, want %s", n, status, body, want)
		}
	}
	for n := 3; n < 5; n++ {
		if status, _, body := s.do("array/"+jsonText(n)+"/0", nil); status != 415 {
			t.Errorf("%d: %d %s", n, status, body)
		}
	}
	for h, want := range map[float64]uint16{1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 5.960464477539063e-08: 1} {
		if got := half(want); got != h {
			t.Errorf("half %#x: %v, want %v", want, got, h)
		}
	}
}

// A shard that is cut, and others that are none, do not hide those before them.
func TestBadShards(t *testing.T) {
	good, cut := writeShard(t, "a.txt", "a"), writeShard(t, "b.txt", "b", "c.txt", strings.Repeat("c", 5000))
	shardtest.Check(t, os.Truncate(cut, 4000))
	none := filepath.Join(t.TempDir(), "none.tar")
	shardtest.Check(t, os.WriteFile(none, []byte("no tar"), 0o644))
	s := serve(t, good, cut, none, writeShard(t, "d.txt", "d"))
	var set setJSON
	testtime.Eventually(t, "all shards", func() bool {
		s.get("api/set", &set)
		for _, sh := range set.Shards {
			if sh.State == waiting || sh.State == indexing {
				return false
			}
		}
		return true
	})
	if set.Samples != 2 || set.Shards[1].State != failed || set.Shards[2].State != failed || set.Shards[3].First != 1 ||
		!strings.Contains(set.Shards[1].Error, "truncated") {
		t.Errorf("%+v", set)
	}
}
