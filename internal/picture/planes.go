package picture

import "image"

// shrinkYCbCr scales a picture of planes down to w x h pixels, plane by plane: colours are not converted, and the encoder
// of JPEG takes the planes as they are. Each pixel is the mean of the area that it stands for.
func shrinkYCbCr(m *image.YCbCr, w, h int) image.Image {
	b := m.Rect
	small := image.NewYCbCr(image.Rect(0, 0, w, h), m.SubsampleRatio)
	shrinkPlane(small.Y, small.YStride, w, h, m.Y[m.YOffset(b.Min.X, b.Min.Y):], m.YStride, b.Dx(), b.Dy())
	c := m.COffset(b.Min.X, b.Min.Y)
	last := m.COffset(b.Max.X-1, b.Max.Y-1) - c
	width, height := last%m.CStride+1, last/m.CStride+1
	cw, ch := small.CStride, len(small.Cb)/small.CStride
	shrinkPlane(small.Cb, small.CStride, cw, ch, m.Cb[c:], m.CStride, width, height)
	shrinkPlane(small.Cr, small.CStride, cw, ch, m.Cr[c:], m.CStride, width, height)
	return small
}

// one is the weight of a whole pixel. The sum of an area of Limit pixels, in both directions, fits into 64 bits.
const one = 1 << 10

// share is what a pixel adds to the areas of two neighbours.
type share struct {
	to          int    // the first of them
	first, rest uint64 // weights; rest is that of the second
}

// sharesOf returns the shares of n pixels in m areas, and the sum of the weights of each area.
func sharesOf(n, m int) (shares []share, sums []uint64) {
	shares, sums = make([]share, n), make([]uint64, m+1)
	for i := range shares {
		from, end := int64(i)*int64(m), int64(i+1)*int64(m) // in n-ths of an area
		s := share{to: int(from / int64(n)), first: one}
		if next := int64(s.to+1) * int64(n); end > next {
			s.rest = uint64((end - next) * one / int64(m))
			s.first -= s.rest
		}
		shares[i] = s
		sums[s.to] += s.first
		sums[s.to+1] += s.rest
	}
	return shares, sums
}

// shrinkPlane scales a plane of width x height values down to w x h, or keeps a side that is not larger.
func shrinkPlane(to []byte, toStride, w, h int, from []byte, stride, width, height int) {
	w, h = min(w, width), min(h, height)
	across, acrossSums := sharesOf(width, w)
	down, downSums := sharesOf(height, h)
	row := make([]uint64, w+1)                         // sums of one row of values
	this, next := make([]uint64, w), make([]uint64, w) // sums of areas: of the row that is made, and the one below
	for y, s := range down {
		clear(row)
		for x, v := range from[y*stride:][:width] {
			a := &across[x]
			row[a.to] += a.first * uint64(v)
			row[a.to+1] += a.rest * uint64(v)
		}
		for x := range this {
			this[x] += s.first * row[x]
			next[x] += s.rest * row[x]
		}
		if y+1 == height || down[y+1].to > s.to {
			for x := range this {
				sum := acrossSums[x] * downSums[s.to]
				to[s.to*toStride+x] = byte((this[x] + sum/2) / sum)
			}
			this, next = next, this
			clear(next)
		}
	}
}
