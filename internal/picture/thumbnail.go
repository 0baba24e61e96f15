package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// What Thumbnail decodes at most. A picture of Limit pixels takes 256 MiB, or twice that with 16 bits a channel.
const (
	Limit    = 64 << 20 // pixels
	MaxBytes = 64 << 20 // bytes of the picture, as it is stored
)

// quality is that of JPEG thumbnails.
const quality = 80

// Thumbnail decodes a picture of size bytes and scales it so that it fits in side x side pixels, turned as its EXIF
// orientation says; a smaller one keeps its size. It returns ErrUnknown for what is no picture, and ErrTooLarge for one of
// more than MaxBytes bytes, which it then does not read, or more than Limit pixels, of which it has no memory then.
func Thumbnail(r io.Reader, size int64, side int) (image.Image, error) {
	if size > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	data := make([]byte, min(size, MaxHeader))
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, unexpected(err)
	}
	info, err := Config(bytes.NewReader(data), int64(len(data)))
	if errors.Is(err, ErrUnknown) {
		return nil, err
	}
	early := err == nil
	if early && tooMany(info) {
		return nil, tooLarge(info)
	}
	if rest := size - int64(len(data)); rest > 0 {
		data = append(make([]byte, 0, size), data...)[:size]
		if _, err := io.ReadFull(r, data[MaxHeader:]); err != nil {
			return nil, unexpected(err)
		}
	}
	if !early { // its size is not at its beginning
		info, err = config(&window{from: bytes.NewReader(data), size: size, most: size})
		if err == nil && tooMany(info) {
			err = tooLarge(info)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", info.Format, err)
		}
	}
	m, err := decode(info.Format, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", info.Format, err)
	}
	return turn(shrink(m, max(side, 1)), orientation(info.Format, data)), nil
}

func tooMany(info Info) bool { return int64(info.Width)*int64(info.Height) > Limit }

func tooLarge(info Info) error {
	return fmt.Errorf("%w: %d x %d pixels", ErrTooLarge, info.Width, info.Height)
}

// decode decodes a picture whose size was looked at. Some decoders panic on damage that nobody has thought of: that is an
// error, too, since the picture is not ours.
func decode(format string, data []byte) (m image.Image, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			m, err = nil, fmt.Errorf("the decoder gives up: %v", reason)
		}
	}()
	r := bytes.NewReader(data)
	switch format {
	case "jpeg":
		return jpeg.Decode(r)
	case "png":
		return png.Decode(r)
	case "gif":
		return gif.Decode(r)
	case "bmp":
		return bmp.Decode(r)
	case "webp":
		return webp.Decode(r)
	case "tiff":
		return tiff.Decode(r)
	}
	return decodeNetpbm(r)
}

// Encode writes a thumbnail as JPEG, or as PNG if it has transparency, and returns the media type.
func Encode(w io.Writer, m image.Image) (mediaType string, err error) {
	if opaque, ok := m.(interface{ Opaque() bool }); ok && !opaque.Opaque() {
		return "image/png", (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, m)
	}
	return "image/jpeg", jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
}
