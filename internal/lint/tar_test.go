package lint

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// A tar in these tests is a list of the names of its members. The end of a name is the type: "/" a directory, "->" a
// symlink, "=>" a hard link, "|" a FIFO, "#" a device, "!" a file with a PAX header, " 0" an empty file. Everything
// else is a file that holds its own name. "*" alone is a global header.
func makeTar(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := tar.Header{
			Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(1_500_000_000, 0), Format: tar.FormatGNU,
		}
		content := name
		for _, kind := range []struct {
			mark     string
			typeflag byte
		}{
			{"->", tar.TypeSymlink}, {"=>", tar.TypeLink}, {"|", tar.TypeFifo}, {"#", tar.TypeChar}, {"!", tar.TypeReg},
			{" 0", tar.TypeReg},
		} {
			rest, ok := strings.CutSuffix(name, kind.mark)
			if !ok {
				continue
			}
			h.Name, h.Typeflag = rest, kind.typeflag
			switch kind.mark {
			case "!":
				h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"comment": "none"}
			case " 0":
				content = ""
			}
		}
		switch {
		case name == "*":
			h = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "none"}}
		case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
			h.Linkname = "target"
		case strings.HasSuffix(name, "/"):
			h.Typeflag = tar.TypeDir
		case h.Typeflag == tar.TypeReg:
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
