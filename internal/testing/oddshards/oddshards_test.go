package oddshards

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	lz4reader "github.com/pierrec/lz4/v4"
	xzreader "github.com/therootcompany/xz"
)

// Names are unique, and there are enough kinds to compare readers by.
func TestAll(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range All() {
		if seen[s.Name] || len(s.Files) == 0 {
			t.Errorf("%s: %d files, seen before: %t", s.Name, len(s.Files), seen[s.Name])
		}
		seen[s.Name] = true
	}
	if len(seen) < 150 {
		t.Errorf("%d odd shards", len(seen))
	}
}

// The containers written here hold what was put into them.
func TestContainers(t *testing.T) {
	whole := tar(some(0, 8))
	if len(whole) >= 65535 {
		t.Fatalf("a shard of %d bytes", len(whole))
	}
	long := bytes.Repeat(whole, 20)
	opened := func(r io.Reader, err error) io.Reader {
		if err != nil {
			t.Error(err)
			return bytes.NewReader(nil)
		}
		return r
	}
	read := func(data []byte) *bytes.Reader { return bytes.NewReader(data) }
	for _, tt := range []struct {
		name string
		r    io.Reader
		want []byte
	}{
		{"gzip", opened(gzip.NewReader(read(gz(whole)))), whole},
		{"gzip with an extra field", opened(gzip.NewReader(read(gz(whole, 'B', 'C', 2, 0, 1, 2)))), whole},
		{"gzip of nothing", opened(gzip.NewReader(read(gz(nil)))), nil},
		{"long gzip", opened(gzip.NewReader(read(gz(long)))), long},
		{"bzip2", bzip2.NewReader(read(decoded(bzip2Whole))), whole},
		{"bzip2 front", bzip2.NewReader(read(decoded(bzip2Front))), whole[:cut]},
		{"bzip2 rest", bzip2.NewReader(read(decoded(bzip2Rest))), whole[cut:]},
		{"xz", opened(xzreader.NewReader(read(xz(whole)), 0)), whole},
		{"long xz", opened(xzreader.NewReader(read(xz(long)), 0)), long},
		{"xz of nothing", opened(xzreader.NewReader(read(xz(nil)), 0)), nil},
		{"zstd", opened(zstd.NewReader(read(zst(whole)))), whole},
		{"long zstd", opened(zstd.NewReader(read(zst(long)))), long},
		{"zstd of nothing", opened(zstd.NewReader(read(zst(nil)))), nil},
		{"gzip with fields", opened(gzip.NewReader(read(gzipped(whole)))), whole},
		{"lz4", lz4reader.NewReader(read(lz4(whole))), whole},
	} {
		if got, err := io.ReadAll(tt.r); err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %d bytes, want %d; %v", tt.name, len(got), len(tt.want), err)
		}
	}
}
