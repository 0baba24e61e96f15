package main

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"
)

func TestConvert(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 20, 10))
	draw.Draw(grey, grey.Rect, image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	red := image.NewRGBA(image.Rect(0, 0, 20, 10))
	draw.Draw(red, red.Rect, image.NewUniform(color.RGBA{254, 0, 0, 255}), image.Point{}, draw.Src)

	for _, tt := range []struct {
		name  string
		img   image.Image
		pixel []byte
	}{
		{"grey", grey, []byte{128, 128, 128}},
		{"red", red, []byte{254, 0, 0}},
	} {
		var in, out bytes.Buffer
		if err := jpeg.Encode(&in, tt.img, nil); err != nil {
			t.Fatal(err)
		}
		if err := convert(&out, &in); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		want := append([]byte("P6\n20 10\n255\n"), bytes.Repeat(tt.pixel, 20*10)...)
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%s: got %q, want %q", tt.name, out.Bytes()[:20], want[:20])
		}
	}
}

func TestConvertFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "sample.jpg"), filepath.Join(dir, "sample.ppm")
	if err := os.WriteFile(src, []byte("not a picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := convertFile(src, dst); err == nil {
		t.Error("converted what is no JPEG")
	}
	if _, err := os.Stat(dst); !os.IsNotExist(err) {
		t.Errorf("stat of the output: %v, want it not to exist", err)
	}
}
