package main

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
)

// draw paints a picture of about 500 x 375 points: ellipses and boxes over a gradient, under some grain. The grain
// makes the JPEG as large as a photograph's. It also returns the boxes around the shapes: left, top, right, bottom.
func draw(rng *rand.Rand) (*image.RGBA, [][4]int) {
	img := image.NewRGBA(image.Rect(0, 0, 480+rng.IntN(41), 360+rng.IntN(31)))
	gradient(img, hue(rng), hue(rng), rng.Float64()*2*math.Pi)
	boxes := make([][4]int, 2+rng.IntN(5))
	for i := range boxes {
		boxes[i] = shape(img, rng)
	}
	grain(img, rng, 12+rng.IntN(20))
	return img, boxes
}

func hue(rng *rand.Rand) color.RGBA {
	v := rng.Uint32()
	return color.RGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), 255}
}

// gradient fills img with the colours between a and b, changing in the direction of angle.
func gradient(img *image.RGBA, a, b color.RGBA, angle float64) {
	sin, cos := math.Sincos(angle)
	w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			t := 0.5 + 0.35*(cos*(2*float64(x)/w-1)+sin*(2*float64(y)/h-1))
			img.SetRGBA(x, y, color.RGBA{mix(a.R, b.R, t), mix(a.G, b.G, t), mix(a.B, b.B, t), 255})
		}
	}
}

func mix(a, b uint8, t float64) uint8 {
	return clamp(int(float64(a)*(1-t) + float64(b)*t))
}

// shape paints an ellipse or a box and returns the box around it.
func shape(img *image.RGBA, rng *rand.Rand) [4]int {
	size := image.Pt(60+rng.IntN(200), 60+rng.IntN(160))
	corner := image.Pt(rng.IntN(img.Rect.Dx()-size.X), rng.IntN(img.Rect.Dy()-size.Y))
	box := image.Rectangle{Min: corner, Max: corner.Add(size)}
	ellipse, c := rng.IntN(2) == 0, hue(rng)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			// u and v run from -1 to 1 across the box.
			u := 2*float64(x-box.Min.X)/float64(size.X) - 1
			v := 2*float64(y-box.Min.Y)/float64(size.Y) - 1
			if !ellipse || u*u+v*v <= 1 {
				img.SetRGBA(x, y, c)
			}
		}
	}
	return [4]int{box.Min.X, box.Min.Y, box.Max.X, box.Max.Y}
}

// grain makes every point lighter or darker by at most most.
func grain(img *image.RGBA, rng *rand.Rand, most int) {
	for p := img.Pix; len(p) > 0; p = p[4:] {
		d := rng.IntN(2*most+1) - most
		for i := range 3 {
			p[i] = clamp(int(p[i]) + d)
		}
	}
}

func clamp(v int) uint8 {
	return uint8(min(max(v, 0), 255))
}
