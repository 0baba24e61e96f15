package codec

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// Every row is complete, and no two formats have the same name or extension.
func TestFormats(t *testing.T) {
	seen := make(map[string]string)
	for i, r := range formats {
		f := Format(i)
		_, highest := f.Levels()
		written := f == Plain || r.writer != nil
		read := len(r.inputs) > 0 && r.decoder != nil && r.decoders > 0
		if r.name == "" || r.begins == nil || read == (f == Plain) {
			t.Errorf("%s: the row lacks what every format has", f)
		}
		if written != (len(r.outputs) > 0) || written != (highest > 0) || written != slices.Contains(Outputs(), f) {
			t.Errorf("%s: %d suffixes of outputs, levels to %d", f, len(r.outputs), highest)
		}
		for _, name := range slices.Concat([]string{r.name}, r.inputs, r.outputs) {
			if other, ok := seen[name]; ok && other != r.name {
				t.Errorf("%s is of %s and of %s", name, r.name, other)
			}
			seen[name] = r.name
		}
		for _, suffix := range f.Suffixes() {
			if got, ok := FormatOf("a.b" + suffix); !ok || got != f {
				t.Errorf("an output in %s is of %s, want %s", suffix, got, f)
			}
			if got := TrimSuffix("a.b" + suffix); got != "a.b" {
				t.Errorf("an output in %s leaves %q", suffix, got)
			}
		}
	}
	if got := Format(77).String(); got != "format 77" {
		t.Error(got)
	}
}

func TestFormatOf(t *testing.T) {
	for _, name := range []string{"", "-", "a", "a.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zstd", "tar"} {
		if f, ok := FormatOf(name); ok {
			t.Errorf("%q is an output in %s", name, f)
		}
	}
}

func TestTrimSuffix(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"a.tar", "a"}, {"a.tar.gz", "a"}, {"a.tgz", "a"}, {"a.tar.zstd", "a"}, {"a.tbz2", "a"}, {"a.txz", "a"},
		{"a.tlz4", "a"}, {"a.gz", "a"}, {"a.1.tar", "a.1"}, {"a.zip", "a.zip"}, {"a.jpg", "a.jpg"}, {"a", "a"},
		{".tar", ".tar"}, {"..gz", "..gz"}, {"...tar", "...tar"}, {"", ""},
	} {
		if got := TrimSuffix(tt.name); got != tt.want {
			t.Errorf("TrimSuffix(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Output of NewWriter, in any format and at any level, can be detected and decoded.
func TestNewWriter(t *testing.T) {
	plain := sampleTar(t, 100_000)
	for _, f := range Outputs() {
		lowest, highest := f.Levels()
		if f == Plain {
			if _, err := f.NewWriter(io.Discard, 1, 1); !errors.Is(err, ErrFormat) {
				t.Errorf("plain: %v", err)
			}
			continue
		}
		for _, level := range []int{lowest - 2, highest + 1} {
			if _, err := f.NewWriter(io.Discard, level, 1); err == nil || !strings.Contains(err.Error(), "level") {
				t.Errorf("%s at level %d: %v", f, level, err)
			}
		}
		var standard []byte
		for _, level := range []int{0, lowest, highest} {
			var b bytes.Buffer
			w, err := f.NewWriter(&b, level, 1)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(plain)
			if err = errors.Join(err, w.Close()); err != nil || w.Written() != int64(len(plain)) {
				t.Fatalf("%s at level %d: %d bytes written, %v", f, level, w.Written(), err)
			}
			if level == 0 {
				standard = b.Bytes()
			} else if level == lowest {
				same(t, b.Bytes(), standard)
			}
			if got := Detect(b.Bytes()); got != f {
				t.Errorf("%s is detected as %s", f, got)
			}
			got, _, _, err := unpack(f, b.Bytes(), Checkpoint{Member: true})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, plain)
		}
	}
}
