package picture

import (
	"image"

	"golang.org/x/image/draw"
)

// shrink scales a picture down until it fits in side x side pixels.
//
// Planes are scaled one by one, see shrinkYCbCr. Other usual layouts of pixels are first made smaller by a whole number,
// each pixel the mean of a square, which takes a tenth of the time of decoding a JPEG; x/image's exact scaler takes nearly as long as decoding, and its quick one alone
// leaves out most pixels. Here the quick one has a factor below 2 left, for which it is exact enough.
func shrink(m image.Image, side int) image.Image {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= side && h <= side {
		return m
	}
	by := max(w, h) / side
	if w >= h {
		w, h = side, max(1, (h*side+w/2)/w)
	} else {
		w, h = max(1, (w*side+h/2)/h), side
	}
	if m, ok := m.(*image.YCbCr); ok {
		return shrinkYCbCr(m, w, h)
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	var scaler draw.Scaler = draw.ApproxBiLinear
	if by > 1 {
		if mean, ok := means(m, by); ok {
			m = mean
		} else {
			scaler = draw.BiLinear
		}
	}
	scaler.Scale(small, small.Rect, m, m.Bounds(), draw.Src, nil)
	return small
}

// means makes a pixel of each square of by x by pixels, if it knows the layout of the picture.
func means(m image.Image, by int) (image.Image, bool) {
	b := m.Bounds()
	to := image.Rect(0, 0, ceil(b.Dx(), by), ceil(b.Dy(), by))
	switch m := m.(type) {
	case *image.Gray:
		g := image.NewGray(to)
		pixels{m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], m.Stride, b.Dx(), b.Dy(), 1}.
			means(pixels{g.Pix, g.Stride, to.Dx(), to.Dy(), 1}, by)
		return g, true
	case *image.RGBA:
		return meansRGBA(m, to, by), true
	case *image.NRGBA:
		if m.Opaque() { // else colours weigh as much as they are opaque
			return meansRGBA((*image.RGBA)(m), to, by), true
		}
	}
	return nil, false
}

func meansRGBA(m *image.RGBA, to image.Rectangle, by int) *image.RGBA {
	b, r := m.Rect, image.NewRGBA(to)
	pixels{m.Pix[m.PixOffset(b.Min.X, b.Min.Y):], m.Stride, b.Dx(), b.Dy(), 4}.
		means(pixels{r.Pix, r.Stride, to.Dx(), to.Dy(), 4}, by)
	return r
}

// pixels are a plane, or several in one: width x height values of each of its channels.
type pixels struct {
	values                          []byte
	stride, width, height, channels int
}

// means writes the means of squares, which at the right and lower edge are cut. Where to is larger, the last ones are
// repeated.
func (p pixels) means(to pixels, by int) {
	sums := make([]uint64, to.width*p.channels)
	for y := range to.height {
		clear(sums)
		top := min(y*by, p.height-1)
		bottom := min(top+by, p.height)
		for sy := top; sy < bottom; sy++ {
			p.add(sums, p.values[sy*p.stride:][:p.width*p.channels], by)
		}
		for x := range to.width {
			left := min(x*by, p.width-1)
			n := uint64(min(left+by, p.width)-left) * uint64(bottom-top)
			for c := range p.channels {
				to.values[y*to.stride+x*p.channels+c] = byte((sums[x*p.channels+c] + n/2) / n)
			}
		}
	}
}

// add adds a row to sums.
func (p pixels) add(sums []uint64, row []byte, by int) {
	for x := range len(sums) / p.channels {
		left := min(x*by, p.width-1)
		right := min(left+by, p.width)
		if p.channels == 1 {
			for _, v := range row[left:right] {
				sums[x] += uint64(v)
			}
			continue
		}
		s := sums[4*x:][:4]
		for part := row[4*left : 4*right]; len(part) >= 4; part = part[4:] {
			s[0] += uint64(part[0])
			s[1] += uint64(part[1])
			s[2] += uint64(part[2])
			s[3] += uint64(part[3])
		}
	}
}

func ceil(n, by int) int { return (n + by - 1) / by }
