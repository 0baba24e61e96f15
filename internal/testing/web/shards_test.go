package web

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file is a member of a shard.
type file struct {
	name    string
	content []byte
}

// writeShard writes a shard into a directory of the test, and returns its path.
func writeShard(t *testing.T, name string, files []file) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, m := range files {
		h := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.content)), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// picture returns a picture with soft colours that depend on n.
func picture(n, width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	wave := func(x float64) uint8 { return uint8(128 + 100*math.Sin(x)) }
	for y := range height {
		for x := range width {
			u, v := float64(x)/float64(width), float64(y)/float64(height)
			k := float64(n)
			m.SetRGBA(x, y, color.RGBA{wave(3*u + k), wave(4*v + 2*k), wave(2*(u+v) + 3*k), 255})
		}
	}
	return m
}

func asJPEG(m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err) // a buffer
	}
	return b.Bytes()
}

func asPNG(m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err) // a buffer
	}
	return b.Bytes()
}

// mask returns a mask of the classes 0, 1 and 2.
func mask(width, height int) []byte {
	m := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			switch {
			case x < width/3:
				m.SetGray(x, y, color.Gray{1})
			case y > height/2:
				m.SetGray(x, y, color.Gray{2})
			}
		}
	}
	return asPNG(m)
}

// bomb returns a PNG that says that it has 100 000 by 100 000 pixels.
func bomb() []byte {
	b := asPNG(picture(0, 4, 4))
	header := b[8+4 : 8+8+13] // type and content of IHDR
	binary.BigEndian.PutUint32(header[4:], 100_000)
	binary.BigEndian.PutUint32(header[8:], 100_000)
	binary.BigEndian.PutUint32(b[8+8+13:], crc32.ChecksumIEEE(header))
	return b
}

// wave returns a sound of some seconds.
func wave(seconds int) []byte {
	const rate = 8000
	var b bytes.Buffer
	n := uint32(rate * seconds)
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, 36+n)
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, []uint32{16, 1 | 1<<16, rate, rate, 1 | 8<<16})
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, n)
	for i := range n {
		b.WriteByte(byte(128 + 60*math.Sin(float64(i)/3)))
	}
	return b.Bytes()
}

// array returns an array of numpy, of float32 and the shape 3, 4.
func array() []byte {
	header := "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
	header += strings.Repeat(" ", 117-len(header)) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	b = append(b, header...)
	for i := range 12 {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(i)/2))
	}
	return b
}

// script is markup that would change the title of its window and its parents if it ran.
const script = `<script>for (const w of [window, parent, top]) w.document.title = "it ran"</script>` +
	`<img src="nowhere" onerror="top.document.title = 'it ran'"><h1>a heading</h1>`

// Samples of mixed, by their places.
const (
	plainSample  = 0 // jpg, cls, json, txt
	maskedSample = 1 // a mask, and boxes
	soundSample  = 2
	videoSample  = 3
	arraySample  = 4
	markupSample = 5 // HTML and SVG that would run
	brokenSample = 6 // a JPEG that is none
	bombSample   = 7 // a picture of 10 000 000 000 pixels
	bytesSample  = 8
	hostileKey   = 9 // markup in the key
	mixedSamples = 60
)

// mixed returns a shard of mixedSamples samples of all kinds; those without another purpose are pictures of 320 by 240
// pixels with a class from 0 to 9.
func mixed(t *testing.T) string {
	t.Helper()
	var files []file
	add := func(name string, content []byte) { files = append(files, file{name, content}) }
	for n := range mixedSamples {
		key := fmt.Sprintf("s%03d", n)
		class := fmt.Append(nil, n%10)
		switch n {
		case maskedSample:
			add(key+".jpg", asJPEG(picture(n, 320, 240)))
			add(key+".seg.png", mask(320, 240))
			add(key+".json", []byte(`{"id": 12345678901234567890, "annotations": [`+
				`{"bbox": [20, 30, 100, 80], "label": "a dog"}, {"bbox": [200, 100, 60, 90], "label": "<b>cat"}]}`))
		case soundSample:
			add(key+".wav", wave(20))
			add(key+".txt", []byte("a hum"))
		case videoSample:
			add(key+".webm", video())
		case arraySample:
			add(key+".npy", array())
		case markupSample:
			add(key+".html", []byte("<!doctype html><title>a sample</title>"+script))
			add(key+".svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg">`+
				`<script>top.document.title="it ran"</script></svg>`))
		case brokenSample:
			add(key+".jpg", []byte("\xff\xd8 this is not a JPEG"))
		case bombSample:
			add(key+".png", bomb())
		case bytesSample:
			add(key+".bin", bytes.Repeat([]byte("0123456789abcde\x00"), 20000))
		case hostileKey:
			key = `<img src=x onerror=top.document.title='it+ran'>`
			fallthrough
		default:
			add(key+".jpg", asJPEG(picture(n, 320, 240)))
			add(key+".cls", class)
			add(key+".json", fmt.Appendf(nil, `{"label": "class %d", "score": %.2f}`, n%10, float64(n)/mixedSamples))
			add(key+".txt", fmt.Appendf(nil, "The picture %d, for <b>testing</b>.", n))
		}
	}
	return writeShard(t, "mixed.tar", files)
}
