package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"strings"
)

// drawJPEGs draws count pictures of 640 x 480 and returns them as JPEG files of 50 to 120 KB.
func drawJPEGs(count int) []string {
	return drawJPEGsOf(count, 640, 480)
}

// drawIcons draws count pictures of 16 x 12 and returns them as JPEG files.
func drawIcons(count int) []string { return drawJPEGsOf(count, 16, 12) }

func drawJPEGsOf(count, width, height int) []string {
	files := make([]string, count)
	for i := range files {
		rng := rand.New(rand.NewPCG(2, uint64(i)))
		var b bytes.Buffer
		// writing to a Buffer never fails
		jpeg.Encode(&b, drawPicture(rng, width, height), &jpeg.Options{Quality: 92 + rng.IntN(7)})
		files[i] = b.String()
	}
	return files
}

// drawPicture draws a picture that compresses like a photograph: spots of all sizes, large ones strong and small ones
// faint, in colours that change slowly, and the noise of a sensor.
func drawPicture(rng *rand.Rand, width, height int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	red, green, blue := newSpots(rng, 32), newSpots(rng, spotsAcross/2), newSpots(rng, 32)
	noise := 5 * rng.Float64()
	for y := range height {
		for x := range width {
			light, grain := green.at(x, y), noise*rng.NormFloat64()
			m.SetRGBA(x, y, color.RGBA{
				R: level(light + red.at(x, y)/4 + grain),
				G: level(light + grain),
				B: level(light + blue.at(x, y)/4 + grain),
				A: 255,
			})
		}
	}
	return m
}

// level converts a brightness around 0 to a byte.
func level(x float64) uint8 { return uint8(min(max(128+x, 0), 255)) }

// spots are grids of random heights, each twice as fine and half as high as the one before.
type spots [][]float64

const spotsAcross = 1024 // pixels

// newSpots draws grids of 4 cells across and finer, up to finest cells.
func newSpots(rng *rand.Rand, finest int) spots {
	var s spots
	height := 160.0
	for across := 4; across <= finest; across *= 2 {
		grid := make([]float64, (across+1)*(across+1))
		for i := range grid {
			grid[i] = height * rng.NormFloat64()
		}
		s = append(s, grid)
		height /= 2
	}
	return s
}

// at returns the height at a pixel: the sum of all grids there, linear between their points.
func (s spots) at(x, y int) float64 {
	sum := 0.0
	for i, grid := range s {
		across := 4 << i
		cell := spotsAcross / across
		col, row := x/cell, y/cell
		u, v := float64(x%cell)/float64(cell), float64(y%cell)/float64(cell)
		top, bottom := grid[row*(across+1)+col:], grid[(row+1)*(across+1)+col:]
		sum += (top[0]*(1-u)+top[1]*u)*(1-v) + (bottom[0]*(1-u)+bottom[1]*u)*v
	}
	return sum
}

// drawProse draws count texts of a length, which gzip compresses to about a third: some words are frequent and most are
// rare.
func drawProse(count, length int) []string {
	rng := rand.New(rand.NewPCG(5, 5))
	words := make([]string, 4096)
	for i := range words {
		for range 2 + rng.IntN(8) {
			words[i] += string(rune('a' + rng.IntN(26)))
		}
	}
	texts := make([]string, count)
	for i := range texts {
		var b strings.Builder
		for b.Len() < length {
			b.WriteString(words[min(rng.IntN(len(words)), rng.IntN(len(words)))])
			b.WriteByte(' ')
		}
		texts[i] = b.String()[:length]
	}
	return texts
}
