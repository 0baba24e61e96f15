// Command jpg2ppm converts a JPEG picture to a binary PPM (P6), the format that needs no decoder.
//
//	jpg2ppm sample.jpg sample.ppm
//
// It is an example of a command for samples: shardfs runs it in each sample's directory.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: jpg2ppm INPUT.jpg OUTPUT.ppm")
		os.Exit(1)
	}
	if err := convertFile(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "jpg2ppm: error:", err)
		os.Exit(1)
	}
}

// convertFile writes the picture in src to dst. It leaves no dst unless the whole picture could be read and written.
func convertFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	var out bytes.Buffer
	if err := convert(&out, in); err != nil {
		return fmt.Errorf("%s: %w", src, err)
	}
	if err := os.WriteFile(dst, out.Bytes(), 0o644); err != nil {
		os.Remove(dst)
		return err
	}
	return nil
}

// convert reads a JPEG from r and writes it to w as a binary PPM.
func convert(w io.Writer, r io.Reader) error {
	src, err := jpeg.Decode(r)
	if err != nil {
		return err
	}
	size := src.Bounds().Size()
	rgba := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(rgba, rgba.Rect, src, src.Bounds().Min, draw.Src)

	rgb := make([]byte, 0, 3*size.X*size.Y)
	for p := rgba.Pix; len(p) > 0; p = p[4:] {
		rgb = append(rgb, p[:3]...)
	}
	if _, err := fmt.Fprintf(w, "P6\n%d %d\n255\n", size.X, size.Y); err != nil {
		return err
	}
	_, err = w.Write(rgb)
	return err
}
