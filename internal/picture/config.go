package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// MaxHeader is how many bytes of a picture Config reads at most.
const MaxHeader = 64 << 10

// Errors of this package. All others are about a picture that is damaged, or a reader's own.
var (
	ErrUnknown  = errors.New("not a picture of a known format")
	ErrTooFar   = errors.New("its size in pixels is not in its first 64 KiB")
	ErrTooLarge = errors.New("the picture is too large")
	errPixels   = errors.New("it has no pixels")
)

// Info is what the header of a picture tells.
type Info struct {
	Format        string // "jpeg", "png", "gif", "bmp", "webp", "tiff", "pbm", "pgm" or "ppm"
	Width, Height int    // in pixels, both at least 1, as they are stored: an orientation may turn the picture
}

// Config reads what a picture of size bytes is. It reads at most MaxHeader bytes, which may be anywhere in it, and
// returns ErrTooFar where these do not tell, and ErrUnknown for what is no picture. Errors of r are returned as they are.
func Config(r io.ReaderAt, size int64) (Info, error) {
	w := &window{from: r, size: size, most: MaxHeader}
	info, err := config(w)
	switch {
	case w.err != nil: // the decoder may have made another error of it
		return Info{}, w.err
	case errors.Is(err, ErrUnknown):
		return Info{}, err
	case err != nil:
		return Info{}, fmt.Errorf("%s: %w", info.Format, err)
	}
	return info, nil
}

// config reads a header. In case of an error the format is set, if it is known.
func config(w *window) (Info, error) {
	head := make([]byte, 16)
	n, err := w.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return Info{}, err
	}
	info := Info{Format: formatOf(head[:n])}
	var c image.Config
	switch info.Format {
	case "":
		return info, ErrUnknown
	case "jpeg":
		c.Width, c.Height, err = jpegSize(w)
	case "pbm", "pgm", "ppm":
		var h netpbm
		h, err = readNetpbm(&byteReader{from: w})
		c.Width, c.Height = h.width, h.height
	case "png":
		c, err = png.DecodeConfig(w)
	case "gif":
		c, err = gif.DecodeConfig(w)
	case "bmp":
		c, err = bmp.DecodeConfig(w)
	case "webp":
		c, err = webp.DecodeConfig(w)
	case "tiff":
		c, err = tiff.DecodeConfig(w)
	}
	info.Width, info.Height = c.Width, c.Height
	if err == nil && (info.Width <= 0 || info.Height <= 0) {
		err = errPixels
	}
	return info, err
}

// formatOf returns the format of a picture by its first 16 bytes, or "".
func formatOf(head []byte) string {
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\xff\xd8\xff"):
		return "jpeg"
	case begins("\x89PNG\r\n\x1a\n"):
		return "png"
	case begins("GIF87a"), begins("GIF89a"):
		return "gif"
	case begins("RIFF") && len(head) >= 12 && string(head[8:12]) == "WEBP":
		return "webp"
	case begins("II*\x00"), begins("MM\x00*"):
		return "tiff"
	case begins("BM") && len(head) >= 14 && binary.LittleEndian.Uint32(head[6:]) == 0: // reserved
		return "bmp"
	}
	return netpbmFormat(head)
}

// jpegSize finds the frame header of a JPEG. It skips what is before, such as an embedded thumbnail, without reading it.
func jpegSize(w *window) (width, height int, err error) {
	b := make([]byte, 9)
	for off := int64(2); ; {
		if _, err := w.ReadAt(b[:4], off); err != nil {
			return 0, 0, unexpected(err)
		}
		marker := b[1]
		switch {
		case b[0] != 0xff, marker == 0xff, marker == 0: // bytes between segments, which decoders ignore
			off++
			continue
		case marker == 0xd9, marker == 0xda: // the end, or the data, without a frame
			return 0, 0, errPixels
		case marker >= 0xd0 && marker <= 0xd7, marker == 0x01: // without a length
			off += 2
			continue
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if _, err := w.ReadAt(b, off); err != nil {
				return 0, 0, unexpected(err)
			}
			return int(binary.BigEndian.Uint16(b[7:])), int(binary.BigEndian.Uint16(b[5:])), nil
		}
		off += 2 + int64(binary.BigEndian.Uint16(b[2:]))
	}
}

// unexpected makes the end of a picture an error.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// window reads a picture, at most so many bytes of it, in blocks that are kept.
type window struct {
	from io.ReaderAt
	size int64
	most int64
	pos  int64 // of Read
	read int64 // bytes, so far
	err  error // why it ended early: ErrTooFar or an error of from

	blocks map[int64][]byte // by their number
}

// blockSize is a divisor of MaxHeader. The header of most pictures is in one block.
const blockSize = 4 << 10

// Read reads the next bytes.
func (w *window) Read(p []byte) (int, error) {
	n, err := w.ReadAt(p[:min(len(p), blockSize)], w.pos)
	w.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt reads bytes at off.
func (w *window) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, io.ErrUnexpectedEOF // a number in the picture that makes no sense
	}
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= w.size {
			return n, io.EOF
		}
		b, err := w.block(at / blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%blockSize:])
	}
	return n, nil
}

// block returns a block, which is not empty: its first byte is in the picture.
func (w *window) block(n int64) ([]byte, error) {
	if b := w.blocks[n]; b != nil || w.err != nil {
		return b, w.err
	}
	b := make([]byte, min(blockSize, w.size-n*blockSize))
	if w.read += int64(len(b)); w.read > w.most {
		w.err = ErrTooFar
		return nil, w.err
	}
	if got, err := w.from.ReadAt(b, n*blockSize); got < len(b) {
		w.err = unexpected(err)
		return nil, w.err
	}
	if w.blocks == nil {
		w.blocks = make(map[int64][]byte)
	}
	w.blocks[n] = b
	return b, nil
}
