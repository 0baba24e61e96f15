package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// testPicture is dark on the left and bright on the right, and all of it is red.
func testPicture(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{byte(255 * x / w), 0, 0, 255})
		}
	}
	return m
}

// encoded returns the picture of a format.
func encoded(t testing.TB, format string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	case "png":
		err = png.Encode(&b, m)
	case "gif":
		err = gif.Encode(&b, m, nil)
	case "bmp":
		err = bmp.Encode(&b, m)
	case "tiff":
		err = tiff.Encode(&b, m, nil)
	case "ppm":
		fmt.Fprintf(&b, "P6 # a comment\n%d %d 255\n", m.Bounds().Dx(), m.Bounds().Dy())
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				r, g, bl, _ := m.At(x, y).RGBA()
				b.Write([]byte{byte(r >> 8), byte(g >> 8), byte(bl >> 8)})
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tinyWebP is a lossless one of a pixel.
const tinyWebP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

// webpOf returns the beginning of an extended WebP.
func webpOf(w, h int) []byte {
	b := []byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
	for _, n := range []int{w - 1, h - 1} {
		b = append(b, byte(n), byte(n>>8), byte(n>>16))
	}
	return b
}

// pngOf returns the beginning of a PNG.
func pngOf(w, h uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, w)
	chunk = binary.BigEndian.AppendUint32(chunk, h)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
}

func TestConfig(t *testing.T) {
	m := testPicture(37, 11)
	webp, err := base64.StdEncoding.DecodeString(tinyWebP)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want Info
	}{
		{"JPEG", encoded(t, "jpeg", m), Info{"jpeg", 37, 11}},
		{"PNG", encoded(t, "png", m), Info{"png", 37, 11}},
		{"GIF", encoded(t, "gif", m), Info{"gif", 37, 11}},
		{"BMP", encoded(t, "bmp", m), Info{"bmp", 37, 11}},
		{"TIFF", encoded(t, "tiff", m), Info{"tiff", 37, 11}},
		{"PPM", encoded(t, "ppm", m), Info{"ppm", 37, 11}},
		{"plain PBM", []byte("P1\n#c\n2 3\n101010"), Info{"pbm", 2, 3}},
		{"PGM of 16 bits", []byte("P5 2 1 65535 \x00\x01\xff\xff"), Info{"pgm", 2, 1}},
		{"WebP", webp, Info{"webp", 1, 1}},
		{"extended WebP", webpOf(100000, 3), Info{"webp", 100000, 3}},
		{"only the beginning", pngOf(100000, 100000), Info{"png", 100000, 100000}},
	} {
		if info, err := Config(bytes.NewReader(tt.data), int64(len(tt.data))); err != nil || info != tt.want {
			t.Errorf("%s: %v, %v, want %v", tt.name, info, err, tt.want)
		}
	}
}

// counted counts the bytes that are read.
type counted struct {
	io.ReaderAt
	n int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n += n
	return n, err
}

// withSegments returns a JPEG with segments before its frame.
func withSegments(data []byte, n, size int) []byte {
	b := bytes.Clone(data[:2])
	for range n {
		b = binary.BigEndian.AppendUint16(append(b, 0xff, 0xe2), uint16(size))
		b = append(b, make([]byte, size-2)...)
	}
	return append(b, data[2:]...)
}

// Only 64 KiB are read, however far the frame of a JPEG is: segments before it are skipped.
func TestConfigReadsLittle(t *testing.T) {
	plain := encoded(t, "jpeg", testPicture(37, 11))
	for _, tt := range []struct {
		name       string
		n, size    int
		want, most error
	}{
		{name: "a profile of 600 KB", n: 10, size: 60000},
		{name: "too many segments", n: 100, size: 6000, want: ErrTooFar},
	} {
		data := withSegments(plain, tt.n, tt.size)
		r := &counted{ReaderAt: bytes.NewReader(data)}
		if _, err := Config(r, int64(len(data))); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if r.n > MaxHeader {
			t.Errorf("%s: %d bytes read", tt.name, r.n)
		}
		m, err := Thumbnail(bytes.NewReader(data), int64(len(data)), 10)
		if err != nil || m.Bounds().Dx() != 10 {
			t.Errorf("%s: the thumbnail: %v", tt.name, err)
		}
	}
}

func TestConfigOfWhatIsNoPicture(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       error // nil: any that is not ErrUnknown
	}{
		{"nothing", "", ErrUnknown},
		{"text", "hello, this is no picture at all", ErrUnknown},
		{"text that begins like one of Netpbm", "P6", ErrUnknown},
		{"a bitmap by its first two letters only", "BMW is a maker of cars", ErrUnknown},
		{"a JPEG that is cut", "\xff\xd8\xff\xe0\x00\x10JFIF", io.ErrUnexpectedEOF},
		{"a JPEG without a frame", "\xff\xd8\xff\xd9\x00\x00", errPixels},
		{"a PNG that is cut", string(pngOf(3, 3)[:20]), nil},
		{"a PNG without pixels", string(pngOf(0, 3)), nil},
		{"a PPM without a height", "P6 12", io.ErrUnexpectedEOF},
		{"a PPM of no width", "P6 0 5 255\n", errPixels},
		{"a PPM of a size that overflows", "P6 99999999999 5 255\n", errNetpbm},
		{"a PGM without white", "P5 1 1 0\n", errNetpbm},
	} {
		_, err := Config(strings.NewReader(tt.data), int64(len(tt.data)))
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if _, thumb := Thumbnail(strings.NewReader(tt.data), int64(len(tt.data)), 9); thumb == nil {
			t.Errorf("%s: a thumbnail", tt.name)
		}
	}
	broken := errors.New("the disk is broken")
	_, err := Config(failing{broken}, 1000)
	if !errors.Is(err, broken) {
		t.Errorf("an error of the reader: %v", err)
	}
	if _, err := Thumbnail(iotest.ErrReader(broken), 1000, 9); !errors.Is(err, broken) {
		t.Errorf("an error of the reader of a thumbnail: %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestThumbnail(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 300, 200))
	for i := range gray.Pix {
		gray.Pix[i] = byte(255 * (i % 300) / 300)
	}
	clear := image.NewNRGBA(image.Rect(0, 0, 300, 200))
	for _, tt := range []struct {
		format string
		from   image.Image
		side   int
		w, h   int
	}{
		{"jpeg", testPicture(300, 200), 30, 30, 20},
		{"jpeg", testPicture(301, 199), 64, 64, 42},
		{"jpeg", testPicture(200, 300), 30, 20, 30},
		{"jpeg", gray, 30, 30, 20},
		{"jpeg", testPicture(1, 1000), 10, 1, 10},
		{"jpeg", testPicture(20, 10), 30, 20, 10}, // not made larger
		{"png", testPicture(300, 200), 200, 200, 133},
		{"png", testPicture(300, 200), 30, 30, 20},
		{"png", gray, 30, 30, 20},
		{"png", clear, 30, 30, 20},
		{"gif", testPicture(300, 200), 30, 30, 20},
		{"bmp", testPicture(300, 200), 30, 30, 20},
		{"tiff", testPicture(300, 200), 30, 30, 20},
		{"ppm", testPicture(300, 200), 30, 30, 20},
	} {
		data := encoded(t, tt.format, tt.from)
		m, err := Thumbnail(iotest.OneByteReader(bytes.NewReader(data)), int64(len(data)), tt.side)
		if err != nil {
			t.Errorf("%s %v: %v", tt.format, tt.from.Bounds(), err)
			continue
		}
		if b := m.Bounds(); b.Dx() != tt.w || b.Dy() != tt.h {
			t.Errorf("%s %v: %v, want %d x %d", tt.format, tt.from.Bounds(), b, tt.w, tt.h)
		}
		if tt.from == clear || tt.w != 30 {
			continue
		}
		for x := range tt.w { // every column has the mean of those that it stands for
			r, _, _, _ := m.At(x, tt.h/2).RGBA()
			want := 255 * (float64(x) + 0.5) / float64(tt.w)
			if math.Abs(float64(r>>8)-want) > 12 {
				t.Errorf("%s %v: column %d is %d, want %.0f", tt.format, tt.from.Bounds(), x, r>>8, want)
				break
			}
		}
	}
}

// A picture of 10 gigapixels in a few bytes, and a file of 2 GB, are refused before they take memory.
func TestThumbnailOfBombs(t *testing.T) {
	jpegBomb := bytes.Replace(encoded(t, "jpeg", testPicture(37, 11)),
		[]byte{0, 11, 0, 37}, []byte{0xff, 0xff, 0xff, 0xff}, 1)
	for name, data := range map[string][]byte{
		"PNG":           pngOf(100000, 100000),
		"PNG, at 2^31":  pngOf(math.MaxInt32, math.MaxInt32),
		"PPM":           []byte("P6 100000 100000 255\n"),
		"WebP":          webpOf(16000, 16000),
		"JPEG":          jpegBomb,
		"JPEG, far off": withSegments(jpegBomb, 3, 60000),
	} {
		n := testing.AllocsPerRun(1, func() {
			_, err := Thumbnail(bytes.NewReader(data), int64(len(data)), 100)
			if !errors.Is(err, ErrTooLarge) && name != "PNG, at 2^31" || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if n > 1000 {
			t.Errorf("%s: %.0f allocations", name, n)
		}
	}
	if _, err := Thumbnail(nil, 2<<30, 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("2 GiB: %v", err)
	}
}

// Netpbm has plain and raw bitmaps, and any number as white.
func TestNetpbm(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       []byte // red, row by row
	}{
		{"plain bitmap", "P1 3 2 101\n0 1 0 ", []byte{0, 255, 0, 255, 0, 255}},
		{"raw bitmap", "P4 3 2\n\xa0\x40", []byte{0, 255, 0, 255, 0, 255}},
		{"plain grey", "P2 # c\n2 1\n3\n0 3", []byte{0, 255}},
		{"raw grey of 16 bits", "P5 2 1 1000\n\x00\x00\x01\xf4", []byte{0, 128}},
		{"plain colours", "P3 1 1 7 7 0 0", []byte{255}},
		{"raw colours", "P6 1 1 255 \x11\x00\x00", []byte{17}},
	} {
		m, err := Thumbnail(strings.NewReader(tt.data), int64(len(tt.data)), 10)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []byte
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				r, _, _, _ := m.At(x, y).RGBA()
				got = append(got, byte(r>>8))
			}
		}
		if !bytes.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// withOrientation returns a JPEG with an EXIF orientation.
func withOrientation(data []byte, o uint16) []byte {
	tags := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	tags = append(binary.BigEndian.AppendUint16(tags, o), 0, 0, 0, 0, 0, 0)
	b := binary.BigEndian.AppendUint16(append(bytes.Clone(data[:2]), 0xff, 0xe1), uint16(len(tags)+2))
	return append(append(b, tags...), data[2:]...)
}

// A picture is turned as EXIF says: a corner that is bright comes where each orientation has it.
func TestOrientation(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 32, 16))
	for y := range 8 {
		for x := range 16 {
			m.SetGray(x, y, color.Gray{255}) // the first corner of the stored picture
		}
	}
	data := encoded(t, "jpeg", m)
	for o, want := range map[uint16]struct {
		size, bright image.Point // bright: 0 or 1, from the left and from the top
	}{
		1: {image.Pt(32, 16), image.Pt(0, 0)},
		2: {image.Pt(32, 16), image.Pt(1, 0)},
		3: {image.Pt(32, 16), image.Pt(1, 1)},
		4: {image.Pt(32, 16), image.Pt(0, 1)},
		5: {image.Pt(16, 32), image.Pt(0, 0)},
		6: {image.Pt(16, 32), image.Pt(1, 0)},
		7: {image.Pt(16, 32), image.Pt(1, 1)},
		8: {image.Pt(16, 32), image.Pt(0, 1)},
		9: {image.Pt(32, 16), image.Pt(0, 0)}, // there is no such orientation
	} {
		got, err := Thumbnail(bytes.NewReader(withOrientation(data, o)), int64(len(data)+36), 100)
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds().Size() != want.size {
			t.Errorf("orientation %d: %v, want %v", o, got.Bounds().Size(), want.size)
			continue
		}
		for _, corner := range []image.Point{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
			x, y := 2+corner.X*(want.size.X-5), 2+corner.Y*(want.size.Y-5)
			if r, _, _, _ := got.At(x, y).RGBA(); r > 0x8000 != (corner == want.bright) {
				t.Errorf("orientation %d: corner %v is %d", o, corner, r>>8)
			}
		}
	}
}

func TestEncode(t *testing.T) {
	half := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for want, m := range map[string]image.Image{
		"image/jpeg": testPicture(4, 4),
		"image/png":  half,
	} {
		var b bytes.Buffer
		mediaType, err := Encode(&b, m)
		if err != nil || mediaType != want {
			t.Errorf("%s, %v, want %s", mediaType, err, want)
		}
		if _, err := Config(bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestKind(t *testing.T) {
	for ext, want := range map[string]string{
		"jpg": "picture", "JPEG": "picture", "seg.png": "picture", "cls": "class", "json": "json", "txt": "text",
		"npy": "array", "svg": "markup", "mp4": "video", "flac": "audio", "": "other", "pth": "other",
		"json.gz": "other",
	} {
		if got := Kind(ext); got != want {
			t.Errorf("Kind(%q) = %q, want %q", ext, got, want)
		}
	}
}

// No content brings a decoder down, or makes more than a thumbnail.
func FuzzThumbnail(f *testing.F) {
	m := testPicture(37, 11)
	for _, format := range []string{"jpeg", "png", "gif", "bmp", "tiff", "ppm"} {
		f.Add(encoded(f, format, m))
	}
	webp, _ := base64.StdEncoding.DecodeString(tinyWebP)
	f.Add(webp)
	f.Add([]byte("P1\n2 3\n101010"))
	f.Add(withOrientation(encoded(f, "jpeg", m), 6))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		if info, err := Config(r, r.Size()); err == nil && info.Width*info.Height > 1<<22 {
			t.Skip("large")
		}
		m, err := Thumbnail(r, r.Size(), 16)
		if err == nil && (m.Bounds().Dx() > 16 || m.Bounds().Dy() > 16) {
			t.Errorf("%v", m.Bounds())
		}
	})
}

// The loop is what a program does that needs one thumbnail.
func BenchmarkThumbnail(b *testing.B) {
	m, x := image.NewRGBA(image.Rect(0, 0, 640, 480)), uint32(1)
	for i := range m.Pix {
		x = x*1664525 + 1013904223
		m.Pix[i] = byte(128 + 100*math.Sin(float64(i)/900) + float64(x>>27))
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 80}); err != nil {
		b.Fatal(err)
	}
	data := buf.Bytes()
	for name, f := range map[string]func() error{
		"JPEG of 100 KB": func() error {
			_, err := Thumbnail(bytes.NewReader(data), int64(len(data)), 200)
			return err
		},
		"only decoding": func() error {
			_, err := jpeg.Decode(bytes.NewReader(data))
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
