package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/draw"
)

// orientation returns the EXIF orientation of a JPEG, 1 to 8, or 1 where there is none. Cameras turn pictures by it alone.
func orientation(format string, data []byte) int {
	if format != "jpeg" {
		return 1
	}
	for off := 2; off+10 <= len(data) && data[off] == 0xff; {
		marker, size := data[off+1], int(binary.BigEndian.Uint16(data[off+2:]))
		if marker < 0xc0 || marker == 0xda || off+2+size > len(data) || size < 2 {
			break
		}
		segment := data[off+4 : off+2+size]
		if tags, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return tiffOrientation(tags)
		}
		off += 2 + size
	}
	return 1
}

// tiffOrientation finds the orientation among tags in the layout of TIFF.
func tiffOrientation(tags []byte) int {
	const tag, entry = 0x0112, 12
	if len(tags) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tags[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tags[4:]))
	if at+2 > int64(len(tags)) {
		return 1
	}
	entries := tags[at+2:]
	for range order.Uint16(tags[at:]) {
		if len(entries) < entry {
			break
		}
		if order.Uint16(entries) == tag {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			break
		}
		entries = entries[entry:]
	}
	return 1
}

// turn returns a picture as an EXIF orientation says.
func turn(m image.Image, orientation int) image.Image {
	if orientation == 1 {
		return m
	}
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	from := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(from, from.Rect, m, b.Min, draw.Src)
	to := image.NewRGBA(from.Rect)
	if orientation >= 5 {
		to = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range to.Rect.Dy() {
		for x := range to.Rect.Dx() {
			fx, fy := x, y
			if orientation >= 5 { // mirrored at the diagonal, after what follows
				fx, fy = y, x
			}
			switch orientation {
			case 2, 8:
				fx = w - 1 - fx
			case 3, 7:
				fx, fy = w-1-fx, h-1-fy
			case 4, 6:
				fy = h - 1 - fy
			}
			copy(to.Pix[to.PixOffset(x, y):][:4], from.Pix[from.PixOffset(fx, fy):])
		}
	}
	return to
}
