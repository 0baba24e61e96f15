package pack

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
)

// A plain header is that of archive/tar, byte for byte, or is refused.
func TestPlainHeader(t *testing.T) {
	long := strings.Repeat("n", 101)
	for _, tt := range []struct {
		h     tar.Header
		plain bool
	}{
		{tar.Header{}, true},
		{tar.Header{Name: "a.jpg", Size: 12345, ModTime: time.Unix(1234567890, 0)}, true},
		{tar.Header{Name: long[:100], Uid: 1000, Gid: 1<<21 - 1, Uname: "user", Gname: "group"}, true},
		{tar.Header{Name: "a", Size: 1<<33 - 1, ModTime: time.Unix(1<<33-1, 0)}, true},
		{tar.Header{Name: long}, false},
		{tar.Header{Name: "ä"}, false},
		{tar.Header{Name: "a\x00b"}, false},
		{tar.Header{Name: "a", Size: 1 << 33}, false},
		{tar.Header{Name: "a", ModTime: time.Unix(-1, 0)}, false},
		{tar.Header{Name: "a", ModTime: time.Unix(0, 1)}, false},
		{tar.Header{Name: "a", Uid: 1 << 21}, false},
		{tar.Header{Name: "a", Gname: "grüppe"}, false},
		{tar.Header{Name: "a", Uname: long[:32]}, false},
	} {
		h := tt.h
		h.Typeflag, h.Mode = tar.TypeReg, 0o644
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(0, 0)
		}
		var got [index.BlockSize]byte
		got[511] = 'x' // of an earlier use
		if plain := plainHeader(&got, &h); plain != tt.plain {
			t.Errorf("%+v: %v, want %v", tt.h, plain, tt.plain)
		} else if plain {
			var want bytes.Buffer
			if err := tar.NewWriter(&want).WriteHeader(&h); err != nil || !bytes.Equal(got[:], want.Bytes()) {
				t.Errorf("%+v: %v\n%q, want\n%q", tt.h, err, got[:], want.Bytes())
			}
		}
	}
}
