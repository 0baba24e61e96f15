package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
)

func TestPortableKey(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tt := range []struct{ key, want string }{
		{"a", "a"},
		{"a/b-c_d+1", "a/b-c_d+1"},
		{"./a", "a"},
		{"/a//b/./c", "a/b/c"},
		{"../a", "%2E%2E/a"},
		{"a b", "a%20b"},
		{"a\\b", "a%5Cb"},
		{"a\nb\x7f", "a%0Ab%7F"},
		{"ä", "%C3%A4"},
		{"\xff", "%FF"},
		{"100%", "100%"},
		{"a%20b", "a%20b"},
		{"a/__b", "a/%5F_b"},
		{"__a/b", "__a/b"},
		{"a/", ""}, // of hidden files
		{long, long},
	} {
		got := portableKey(plainKey(tt.key))
		if got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.key, got, tt.want)
		}
		if again := portableKey(plainKey(got)); again != got {
			t.Errorf("%q becomes %q, and that %q", tt.key, got, again)
		}
	}
}

func TestPortableExt(t *testing.T) {
	for _, tt := range []struct{ ext, want string }{
		{"jpg", "jpg"}, {"JPG", "jpg"}, {"seg.PNG", "seg.png"}, {".jpg", "jpg"}, {"", "bin"}, {"__key__", "key__"},
		{"a b", "a%20b"},
	} {
		if got := portableExt(tt.ext); got != tt.want {
			t.Errorf("portableExt(%q) = %q, want %q", tt.ext, got, tt.want)
		}
	}
}

func TestShortened(t *testing.T) {
	a, b := shortened(strings.Repeat("d/", 60)+"a", 90), shortened(strings.Repeat("d/", 60)+"b", 90)
	if len(a) > 90 || a == b || !strings.HasPrefix(a, "d/d/") || strings.Contains(a, "/-") {
		t.Errorf("%q and %q", a, b)
	}
	if got := shortened("abc", 3); got != "abc" {
		t.Errorf("a short key becomes %q", got)
	}
}

// fixed packs a mended tar with members of these names, whose contents are their numbers.
func fixed(t *testing.T, f *Fix, names ...string) (string, error) {
	t.Helper()
	var in bytes.Buffer
	w := tar.NewWriter(&in)
	for i, name := range names {
		h := tar.Header{
			Name: name, Size: 1, Mode: 0o600, ModTime: time.Unix(int64(i), 500), Format: tar.FormatPAX, Uname: "me",
		}
		if strings.HasSuffix(name, "/") && name != "/" {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, strings.Repeat(fmt.Sprint(i%10), int(h.Size)))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x, err := index.Build(bytes.NewReader(in.Bytes()), index.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	packed := NewWriter(&out, Options{DropOutside: true, Times: FileTime})
	b := Base{Index: x, Plain: bytes.NewReader(in.Bytes()), Size: int64(in.Len())}
	if err := Pack(t.Context(), packed, f.Samples(b)); err != nil {
		return "", err
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	var list []string
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err == io.EOF {
			return strings.Join(list, " "), nil
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || h.Format != tar.FormatUSTAR || h.Uname != "" || len(h.Name) > 100 {
			t.Errorf("%s: %v, %v, %s", h.Name, err, h.Format, h.Uname)
		}
		list = append(list, h.Name+"="+string(content))
	}
}

func TestFix(t *testing.T) {
	for _, tt := range []struct {
		names string
		want  string
		fixed Fixed
	}{
		{"a.x a.y b.x", "a.x=0 a.y=1 b.x=2", Fixed{}},
		{"a.x b.x a.y", "a.x=0 a.y=2 b.x=1", Fixed{Gathered: 1}},
		{"a.x b.x c.x b.y a.y b.z", "a.x=0 a.y=4 b.x=1 b.y=3 b.z=5 c.x=2", Fixed{Gathered: 2}},
		{"./a.x a.y", "a.x=0 a.y=1", Fixed{Renamed: 1, Gathered: 1}},
		{"a.JPG A.jpg", "a.jpg=0 A-2.jpg=1", Fixed{Renamed: 2}},
		{"a-2.x a.x A.x", "a-2.x=0 a.x=1 A-3.x=2", Fixed{Renamed: 1}},
		{"a\\b.x a%5Cb.x", "a%5Cb.x=0 a%5Cb-2.x=1", Fixed{Renamed: 2}},
		{"d/ a.x README .hidden d/.x d/a.x __m__/a.x", "a.x=1 d/a.x=5", Fixed{Dropped: 5}},
		{"d/__a.__key__ d/__a.x", "d/%5F_a.key__=0 d/%5F_a.x=1", Fixed{Renamed: 2}},
	} {
		var f Fix
		got, err := fixed(t, &f, strings.Fields(tt.names)...)
		if err != nil || got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.names, got, err, tt.want)
		}
		if f.Fixed != tt.fixed {
			t.Errorf("%s: %+v, want %+v", tt.names, f.Fixed, tt.fixed)
		}
	}
}

func TestFixRepeated(t *testing.T) {
	for _, tt := range []struct {
		repeated Repeated
		want     string
		n        int
	}{
		{KeepFirst, "a.x=0 a.2.x=1 a.y=3", 2},
		{KeepLast, "a.2.x=1 a.y=3 a.x=4", 2},
		{Renumber, "a.x=0 a.2.x=1 a.3.x=2 a.y=3 a.4.x=4", 2},
	} {
		f := Fix{Repeated: tt.repeated}
		got, err := fixed(t, &f, "a.x", "a.2.x", "a.x", "a.y", "./a.X")
		if err != nil || got != tt.want || f.Fixed.Repeated != tt.n {
			t.Errorf("%d: %s, %v, %+v, want %s", tt.repeated, got, err, f.Fixed, tt.want)
		}
	}
	if _, err := fixed(t, new(Fix), "a.x", "a.x"); !errors.Is(err, ErrRepeated) {
		t.Errorf("no choice: %v", err)
	}
}

// Long names fit into plain headers, and keys stay different.
func TestFixLongNames(t *testing.T) {
	var f Fix
	long := strings.Repeat("long/", 40)
	got, err := fixed(t, &f, long+"a.jpg", long+"a.json", long+"b.jpg")
	names := strings.Fields(got)
	if err != nil || len(names) != 3 {
		t.Fatalf("%s, %v", got, err)
	}
	key := func(i int) string { return names[i][:strings.Index(names[i], ".")] }
	if key(0) != key(1) || key(1) == key(2) || slices.Contains(names, "") {
		t.Errorf("%q", names)
	}
}
