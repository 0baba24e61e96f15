package indexformat

import (
	"archive/tar"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
)

// file is one entry of a tar: a directory if its name ends in a slash, a symbolic link if its content begins with "->".
type file struct{ name, content string }

func makeTar(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := tar.Header{Name: f.name, Mode: 0o644, ModTime: time.Unix(1_500_000_000, 0)}
		h.Typeflag, h.Size = tar.TypeReg, int64(len(f.content))
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		target, isLink := strings.CutPrefix(f.content, "->")
		if isLink {
			h.Typeflag, h.Size, h.Linkname = tar.TypeSymlink, 0, target
		}
		if strings.Contains(f.name, "gnu") {
			h.Format = tar.FormatGNU
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%q: %v", f.name, err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, f.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shardOf returns a plain tar as a shard to export.
func shardOf(t testing.TB, plain []byte) Shard {
	t.Helper()
	x, err := index.Build(bytes.NewReader(plain), index.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return Shard{Index: x, Plain: bytes.NewReader(plain), Size: int64(len(plain))}
}

// numbered returns the names of samples with two members each.
func numbered(n int) (files []file) {
	for i := range n {
		files = append(files,
			file{fmt.Sprintf("%06d.cls", i), "1"}, file{fmt.Sprintf("%06d.jpg", i), strings.Repeat("x", i%2000)})
	}
	return files
}

// long is a name that needs an extended header.
var long = "d/" + strings.Repeat("n", 120) + ".seg.png"

// The golden shard, with the offsets of headers, content and end.
var golden = []file{
	{"a.jpg", "hello"},   //    0   512  1024
	{"a.txt", ""},        // 1024  1536  1536
	{"README", "xyz"},    // 1536  2048  2560
	{"d/", ""},           // 2560        3072
	{long, "mask"},       // 3072  4608  5120, an extended header of two blocks before its own
	{"d/.x", "h"},        // 5120  5632  6144
	{"a.jpg", "hi"},      // 6144  6656  7168
	{"l.jpg", "->a.jpg"}, // 7168        7680
} // end marker at 7680, 8704 bytes

func sumOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

func export(t testing.TB, f Format, s Shard) (text, warning string) {
	t.Helper()
	var b bytes.Buffer
	warning, err := Export(&b, f, s)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), warning
}

// The bytes of each format, derived by hand.
func TestExport(t *testing.T) {
	plain := makeTar(t, golden...)
	s := shardOf(t, plain)
	if s.Size != 8704 {
		t.Fatalf("the shard has %d bytes", s.Size)
	}
	blob := sha1.Sum(append([]byte("blob 8704\x00"), plain...))
	var offsets []byte
	for _, offset := range []uint64{0, 3072, 5120, 6144, 7680} {
		offsets = binary.LittleEndian.AppendUint64(offsets, offset)
	}
	entry := func(name string, offset, size int, content string) string {
		return fmt.Sprintf(`"%s": {"offset": %d, "size": %d, "sha256": "%s"}`, name, offset, size, sumOf(content))
	}
	for _, tt := range []struct {
		format        Format
		want, warning string
	}{
		{
			WDS2IDX,
			"v1.2 3\njpg 512 5 a.jpg txt 1536 0 a.txt\nseg.png 4608 4 " + long + "\njpg 6656 2 a.jpg\n",
			"1 sample is left out, because it consists of hidden files",
		},
		{Energon, string(offsets), ""},
		{
			HuggingFace,
			fmt.Sprintf(`{"filesize": 8704, "hash": "%x", "hash_lfs": "%x", "files": {`, blob, sha256.Sum256(plain)) +
				strings.Join([]string{
					entry("a.txt", 1536, 0, ""), entry("README", 2048, 3, "xyz"), entry(long, 4608, 4, "mask"),
					entry("d/.x", 5632, 1, "h"), entry("a.jpg", 6656, 2, "hi"),
				}, ", ") + "}}",
			"1 member is left out, because its name occurs again later in the shard",
		},
	} {
		if got, warning := export(t, tt.format, s); got != tt.want || warning != tt.warning {
			t.Errorf("%s: %q, %q, want %q, %q", tt.format, got, warning, tt.want, tt.warning)
		}
	}
}

// A shard that readers of the format would read wrongly is not exported.
func TestExportRefused(t *testing.T) {
	all := []Format{WDS2IDX, Energon, HuggingFace}
	for _, tt := range []struct {
		story      string
		files      []file
		compressed bool
		formats    []Format
		want       string
	}{
		{"compressed", golden, true, []Format{WDS2IDX, Energon, HuggingFace}, "compressed"},
		{"no samples", []file{{"README", ""}}, false, []Format{WDS2IDX, Energon}, "no samples"},
		{"only hidden files", []file{{"d/.x", ""}}, false, []Format{WDS2IDX}, "no samples"},
		{"white space", []file{{"a b.jpg", ""}}, false, []Format{WDS2IDX}, `"a b.jpg" has white space`},
		{"white space in the extension", []file{{"a.j\tg", ""}}, false, []Format{WDS2IDX}, "white space"},
		{"a newline", []file{{"a\nb.jpg", ""}}, false, []Format{WDS2IDX}, "white space"},
		{"empty extension", []file{{"a.jpg", ""}, {"b.", ""}}, false, []Format{WDS2IDX}, `"b." has an empty extension`},
	} {
		s := shardOf(t, makeTar(t, tt.files...))
		s.Compressed = tt.compressed
		for _, f := range all {
			_, err := Export(io.Discard, f, s)
			if !slices.Contains(tt.formats, f) {
				if err != nil {
					t.Errorf("%s: %v", tt.story, err)
				}
			} else if !errors.Is(err, ErrUnsuited) || !strings.HasPrefix(err.Error(), string(f)) ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %s: %v, want %q", tt.story, f, err, tt.want)
			}
		}
	}
	if _, err := Export(io.Discard, "sqlite", shardOf(t, makeTar(t, golden...))); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("another format: %v", err)
	}
}

// The formats cannot describe sparse files: they are refused or left out.
func TestExportSparse(t *testing.T) {
	plain := makeTar(t, file{"a.jpg", "hello"}, file{"s.jpg", strings.Repeat("x", 512)}, file{"b.jpg", ""})
	header := plain[1024:1536]
	header[156] = 'S'
	copy(header[257:], "ustar  \x00")
	clear(header[345:512])
	copy(header[386:], "00000002000\x0000000001000\x00") // 512 bytes after a hole of 1024
	copy(header[483:], "00000003000\x00")
	copy(header[148:], "        ")
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	s := shardOf(t, plain)
	for _, f := range []Format{WDS2IDX, HuggingFace} {
		var b bytes.Buffer
		_, err := Export(&b, f, s)
		switch {
		case errors.Is(err, ErrUnsuited) && strings.Contains(err.Error(), "sparse"):
		case err == nil && !strings.Contains(b.String(), "s.jpg") && strings.Contains(b.String(), "b.jpg"):
		default:
			t.Errorf("%s: %v, %q", f, err, b.String())
		}
	}
}

// An index that was built from other bytes is not exported with the digests of these bytes.
func TestExportOtherBytes(t *testing.T) {
	s := shardOf(t, makeTar(t, golden...))
	for story, plain := range map[string][]byte{
		"other members":  makeTar(t, append([]file{{"0.jpg", ""}}, golden...)...),
		"fewer members":  makeTar(t, golden[:3]...),
		"larger content": makeTar(t, append([]file{{"a.jpg", strings.Repeat("x", 600)}}, golden[1:]...)...),
	} {
		s.Plain, s.Size = bytes.NewReader(plain), int64(len(plain))
		if _, err := Export(io.Discard, HuggingFace, s); !errors.Is(err, ErrDiffers) {
			t.Errorf("%s: %v, want %v", story, err, ErrDiffers)
		}
	}
	s = shardOf(t, makeTar(t, golden...))
	s.Size--
	if _, err := Export(io.Discard, HuggingFace, s); err != nil {
		t.Errorf("less padding: %v", err)
	}
}

// fullWriter fails after some bytes.
type fullWriter struct{ room int }

var errFull = errors.New("full")

func (w *fullWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return w.room, errFull
	}
	w.room -= len(p)
	return len(p), nil
}

func TestExportWriteError(t *testing.T) {
	s := shardOf(t, makeTar(t, numbered(100)...))
	for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
		if _, err := Export(&fullWriter{100}, f, s); !errors.Is(err, errFull) {
			t.Errorf("%s: %v, want %v", f, err, errFull)
		}
	}
}

func TestParseFormats(t *testing.T) {
	for _, tt := range []struct {
		list string
		want []Format
	}{
		{"wds2idx", []Format{WDS2IDX}},
		{"hf,energon, wds2idx", []Format{HuggingFace, Energon, WDS2IDX}},
		{"", nil},
		{"wds2idx,", nil},
		{"sqlite", nil},
		{"WDS2IDX", nil},
	} {
		got, err := ParseFormats(tt.list)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) ||
			err != nil && !errors.Is(err, ErrUnknownFormat) {
			t.Errorf("ParseFormats(%q) = %q, %v, want %q", tt.list, got, err, tt.want)
		}
	}
}

func TestName(t *testing.T) {
	for _, tt := range []struct{ shard, wds2idx, energon, hf string }{
		{"a.tar", "a.idx", "a.tar.idx", "a.json"},
		{"d.0/a-1.0.tar", "d.0/a-1.idx", "d.0/a-1.0.tar.idx", "d.0/a-1.0.json"},
		{"/a.tgz", "/a.idx", "/a.tar.idx", "/a.json"},
		{"a.tar.gz", "a.idx", "a.tar.tar.idx", "a.tar.json"},
		{"d.0/a", "d.0/a.idx", "d.0/a.tar.idx", "d.0/a.json"},
		{".a.tar", ".a.idx", ".a.tar.idx", ".a.json"},
		{".a", ".a.idx", ".a.tar.idx", ".a.json"},
		{"..a", "..idx", "..a.tar.idx", "..a.json"},
		{"d/", "d/", "d/", "d/"},
	} {
		for f, want := range map[Format]string{WDS2IDX: tt.wds2idx, Energon: tt.energon, HuggingFace: tt.hf} {
			if got := Name(f, tt.shard); got != want {
				t.Errorf("Name(%s, %q) = %q, want %q", f, tt.shard, got, want)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	s := shardOf(t, makeTar(t, golden...))
	for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
		text, _ := export(t, f, s)
		if got, err := Detect([]byte(text[:16])); got != f || err != nil {
			t.Errorf("%s: %q, %v", f, got, err)
		}
	}
	for head, want := range map[string]Format{
		"v1.1 3":                          WDS2IDX,
		"\n {":                            HuggingFace,
		"":                                "",
		"v":                               "",
		"video":                           "",
		"[]":                              "",
		"SQLite format 3\x00":             "",
		"shardfs index 1\n":               "",
		string(make([]byte, 8)):           "",
		string(make([]byte, 512)):         "",
		"\x1f\x8b\x08" + "01234567890123": "",
	} {
		if got, err := Detect([]byte(head)); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", head, got, err, want)
		}
	}
}
