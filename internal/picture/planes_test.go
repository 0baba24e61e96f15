package picture

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// Each value of a plane that was scaled down is the mean of its area.
func TestShrinkPlane(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct{ width, height, w, h int }{
		{640, 480, 256, 192}, {300, 200, 299, 199}, {7, 5, 3, 2}, {5, 5, 5, 5}, {1, 9, 1, 4}, {1000, 1, 3, 1},
		{65535, 3, 1, 1}, {2, 2, 4, 4},
	} {
		stride := tt.width + 3
		from, to := make([]byte, stride*tt.height), make([]byte, tt.w*tt.h)
		for i := range from {
			from[i] = byte(rng.IntN(256))
		}
		shrinkPlane(to, tt.w, tt.w, tt.h, from, stride, tt.width, tt.height)
		for y := range min(tt.h, tt.height) {
			for x := range min(tt.w, tt.width) {
				want := area(from, stride, tt.width, tt.height, min(tt.w, tt.width), min(tt.h, tt.height), x, y)
				if got := float64(to[y*tt.w+x]); math.Abs(got-want) > 1 {
					t.Fatalf("%+v: %v at %d, %d, want %v", tt, got, x, y, want)
				}
			}
		}
	}
}

// area returns the mean of what the pixel x, y of w x h stands for.
func area(from []byte, stride, width, height, w, h, x, y int) float64 {
	overlap := func(i, n, at, m int) float64 { // of pixel i of n with area at of m, in pixels
		size := float64(n) / float64(m)
		return max(0, min(float64(i+1), float64(at+1)*size)-max(float64(i), float64(at)*size))
	}
	sum, weights := 0.0, 0.0
	for sy := range height {
		down := overlap(sy, height, y, h)
		for sx := range width {
			if down == 0 {
				break
			}
			weight := down * overlap(sx, width, x, w)
			sum, weights = sum+weight*float64(from[sy*stride+sx]), weights+weight
		}
	}
	return sum / weights
}

// Planes of each ratio keep it, also of a part of a picture.
func TestShrinkYCbCr(t *testing.T) {
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
	} {
		m := image.NewYCbCr(image.Rect(0, 0, 41, 37), ratio)
		for i := range m.Y {
			m.Y[i] = 100
		}
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = 50, 200
		}
		for _, part := range []image.Rectangle{m.Rect, image.Rect(8, 8, 39, 31)} {
			small := shrink(m.SubImage(part), 10).(*image.YCbCr)
			if b := small.Bounds(); max(b.Dx(), b.Dy()) != 10 || small.SubsampleRatio != ratio {
				t.Errorf("%v: %v %v", ratio, b, small.SubsampleRatio)
			}
			for y := range small.Rect.Dy() {
				for x := range small.Rect.Dx() {
					if c := small.YCbCrAt(x, y); c.Y != 100 || c.Cb != 50 || c.Cr != 200 {
						t.Fatalf("%v: %v at %d, %d", ratio, c, x, y)
					}
				}
			}
		}
	}
}
