package codec

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// packZstd returns plain as zstdWriter writes it.
func packZstd(t testing.TB, plain []byte, level, workers int, extra []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := newZstdWriter(&b, level, workers)
	if err != nil {
		t.Fatal(err)
	}
	z.SetExtra(extra)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The output is the same for any number of workers, zstd can decode it, and its map is right.
func TestZstdWriter(t *testing.T) {
	mixed := slices.Concat(
		text(1_100_000, 1), make([]byte, 1_100_000), noise(400_000, 1), jpegLike(600_000, 1), text(99, 2))
	extra := noise(1000, 3)
	check := func(plain []byte, level int, workers ...int) {
		t.Helper()
		want := packZstd(t, plain, level, 1, extra)
		for _, workers := range workers {
			same(t, packZstd(t, plain, level, workers, extra), want)
		}
		same(t, pipe(t, want, "zstd", "-dc"), plain)
		pipe(t, want, "zstd", "-t")
		checkZstdMap(t, want, plain, extra)
	}
	for _, size := range []int{0, 1, 255, 1000, zstdFrameSize - 1, zstdFrameSize, zstdFrameSize + 1} {
		check(mixed[:size], 0, 2)
	}
	check(mixed, 1, 2, 5, 8)
	check(mixed, 3, 2)
	check(mixed[:1_200_000], 9, 2)
	check(mixed[:1_100_000], 19, 2)
}

// checkZstdMap reads data by its map: each frame alone, with the sum that the map gives.
func checkZstdMap(t *testing.T, data, plain, extra []byte) {
	t.Helper()
	m, got, ok := readZstdMap(bytes.NewReader(data), int64(len(data)))
	if !ok {
		t.Fatal("no map")
	}
	frames := max(1, (len(plain)+zstdFrameSize-1)/zstdFrameSize)
	if m.Plain != int64(len(plain)) || m.Piece != zstdFrameSize || m.Points.Len() != frames {
		t.Fatalf("%d plain bytes in %d frames", m.Plain, m.Points.Len())
	}
	same(t, got, extra)
	for i := range m.Points.Len() {
		c := m.Points.At(i)
		want := plain[c.Out:min(len(plain), int(c.Out)+zstdFrameSize)]
		d := newZstdDecoder(maxHistory, nil)
		if err := d.start(bytes.NewReader(data[c.In:]), c); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.LimitReader(d, int64(len(want))))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
		if len(want) > 0 && !slices.Equal(c.Sums, []uint32{crc32.ChecksumIEEE(want)}) ||
			len(want) == 0 && len(c.Sums) != 0 {
			t.Fatalf("frame %d: sums %x", i, c.Sums)
		}
	}
}

// The output does not depend on how the plain bytes are given to Write.
func TestZstdWriterPieces(t *testing.T) {
	plain := text(2_200_000, 1)
	want := packZstd(t, plain, 1, 2, nil)
	for _, size := range []int{10_000, 99_999, zstdFrameSize} {
		var b bytes.Buffer
		z, err := newZstdWriter(&b, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(plain, size) {
			if _, err := z.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		same(t, b.Bytes(), want)
	}
}

// Other tools read the tar that zstdWriter has compressed.
func TestZstdWriterTools(t *testing.T) {
	plain := sampleTar(t, 2_500_000)
	var names []string
	for r := tar.NewReader(bytes.NewReader(plain)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		names = append(names, h.Name)
	}
	want := strings.Join(names, "\n") + "\n"
	file := filepath.Join(t.TempDir(), "shard.tar.zst")
	if err := os.WriteFile(file, packZstd(t, plain, 1, 2, noise(5000, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"bsdtar -tf %s", "tar --zstd -tf %s", "zstd -qdc %s | tar -t", "zstd -qt %s && zstd -qdc %[1]s | bsdtar -tf -",
	} {
		tool := strings.Fields(command)[0]
		if _, err := exec.LookPath(tool); err != nil {
			t.Errorf("NOT TESTED: %s is not installed", tool)
			continue
		}
		got, err := exec.Command("sh", "-c", fmt.Sprintf(command, file)).Output()
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes of names, want %d; %v", command, len(got), len(want), err)
		}
	}
}

func TestZstdWriterErrors(t *testing.T) {
	for _, tt := range []struct{ level, workers int }{{-1, 1}, {20, 1}, {1, -1}} {
		if _, err := Zstd.NewWriter(io.Discard, tt.level, tt.workers); err == nil {
			t.Errorf("level %d, %d workers: no error", tt.level, tt.workers)
		}
	}
	z, err := newZstdWriter(io.Discard, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := z.Write([]byte("x")); err == nil {
		t.Error("write after Close")
	}
}

// An error of the underlying writer comes back from Write, soon, and from Close, always; no goroutine is left.
func TestZstdWriterFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("disk full")
		z, err := newZstdWriter(&fullWriter{room: 3 << 20, err: full}, 1, 3)
		if err != nil {
			t.Fatal(err)
		}
		piece := noise(500_000, 1)
		for n := 0; err == nil; n += len(piece) {
			if n > 20<<20 {
				t.Fatal("no error from Write")
			}
			_, err = z.Write(piece)
		}
		if !errors.Is(err, full) {
			t.Error(err)
		}
		for range 2 {
			if err := z.Close(); !errors.Is(err, full) {
				t.Error(err)
			}
		}
	})
}

// fullWriter fails after a number of bytes.
type fullWriter struct {
	room int
	err  error
}

func (w *fullWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, w.err
	}
	w.room -= len(p)
	return len(p), nil
}
