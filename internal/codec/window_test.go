package codec

import (
	"bytes"
	"io"
	"testing"
)

// TestSparse makes all windows of shards sparse. checkMap tests that the data can be decoded with them; here most
// bytes that are kept must be needed, and the windows must be small.
func TestSparse(t *testing.T) {
	words, image, mixed := text(300_000, 1), jpegLike(400_000, 1), noise(300_000, 1)
	_, stored := mixStored(t, 200_000, 1)
	for _, tt := range []struct {
		name string
		gz   []byte
		mean int // most bytes that a window takes on average
	}{
		{"text", compress(t, words, 6), 20_000},
		{"JPEG", compress(t, image, 9), 300},
		{"noise", compressStd(t, mixed, 6), 0},
		{"full flushes", pipe(t, words, "pigz", "-p2", "-b32", "-i", "-6"), 5000},
		{"stored and not", stored, 20_000},
	} {
		s, unpack, plain, all := newSparsifier(), newUnpacker(), decode(t, tt.gz), copiesIn(t, tt.gz)
		d := newGzipDecoder(nil)
		total, windows, changed, needless := 0, 0, 0, 0
		for _, c := range offered(t, tt.gz) {
			if len(c.Window) == 0 {
				continue
			}
			after := plain[c.Out:min(int(c.Out)+maxWindow, len(plain))]
			kept := s.pack(s.sparse(c.Window, c.Out, all))
			total += len(kept)
			windows++
			w, err := unpack.window(kept)
			if err != nil {
				t.Fatal(err)
			}
			if len(kept) == 0 || changed > 20 {
				continue
			}
			if len(w) != len(c.Window) {
				t.Fatalf("%s: window of %d bytes, want %d", tt.name, len(w), len(c.Window))
			}
			for i, b := range w {
				if i >= len(w)/2 && b != 0 {
					w[i]++
					changed++
					got := make([]byte, len(after))
					c.Window = w
					d.start(bytes.NewReader(tt.gz[c.In:]), c)
					if _, err := io.ReadFull(d, got); err == nil && bytes.Equal(got, after) {
						needless++
					}
					break
				}
			}
		}
		if 2*needless > changed {
			t.Errorf("%s: of %d bytes that are kept %d are not needed", tt.name, changed, needless)
		}
		if windows == 0 || total/windows > tt.mean {
			t.Errorf("%s: %d windows of %d bytes on average", tt.name, windows, total/max(1, windows))
		}
	}
}

func TestUnrawWindow(t *testing.T) {
	u := newUnpacker()
	for _, size := range []int{1, 100, 255, 256, maxWindow} {
		w, err := u.window(rawWindow(text(size, 1)))
		if err != nil {
			t.Fatal(err)
		}
		same(t, w, text(size, 1))
	}
	for _, bad := range [][]byte{
		[]byte("x"), rawWindow(make([]byte, maxWindow+1)), rawWindow(make([]byte, 50<<20)), {0x28, 0xb5, 0x2f, 0xfd},
	} {
		if w, err := u.window(bad); err == nil {
			t.Errorf("%d bytes: a window of %d", len(bad), len(w))
		}
	}
}
