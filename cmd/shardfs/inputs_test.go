package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// makeInputs makes the shards and folders that documents name, besides the files of testdata/inputs and examples:
//
//	inputs
//
// train-0000.tgz to train-0147.tgz, and the same as .tar, have two samples each, train.tar, train.tgz and in.tgz ten:
// a class number, a picture and an annotation, as in ImageNet. captions.tar and labels.tar have the same keys as these.
// cut.tar is the first half of train.tar, and in odd.tar keys return.
func makeInputs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: inputs")
	}
	ts.Check(os.CopyFS(ts.MkAbs("."), os.DirFS("testdata/inputs")))
	examples, err := filepath.Glob("../../examples/*.py")
	ts.Check(err)
	loaders, err := filepath.Glob("../../examples/pytorch/*.py")
	ts.Check(err)
	for _, name := range append(examples, loaders...) {
		text, err := os.ReadFile(name)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Base(name)), text, 0o644))
	}
	ts.Check(os.MkdirAll(ts.MkAbs("home/.config/fish/completions"), 0o755))
	ts.Setenv("HOME", ts.MkAbs("home"))
	for i := range 148 {
		for _, ext := range []string{".tgz", ".tar"} {
			writeInput(ts, fmt.Sprintf("train-%04d%s", i, ext), 2*i, 2, "cls", "jpg", "json")
		}
	}
	for _, name := range []string{"train.tar", "train.tgz", "in.tgz"} {
		writeInput(ts, name, 0, 10, "cls", "jpg", "json")
	}
	whole, err := os.ReadFile(ts.MkAbs("train.tar"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("cut.tar"), whole[:len(whole)/2], 0o644))
	makeShard(ts, false, []string{"odd.tar", "a.jpg", "b.jpg", "a.cls", "b.cls"})
	writeInput(ts, "captions.tar", 0, 10, "txt")
	writeInput(ts, "labels.tar", 0, 10, "label")
	for _, name := range []string{
		"photos/1.jpg", "photos/2.jpg", "imagenet/train/cat/1.jpg", "imagenet/train/dog/1.jpg",
		"directory-of-samples/one/sample.jpg", "directory-of-samples/two/sample.jpg",
	} {
		ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o755))
		ts.Check(os.WriteFile(ts.MkAbs(name), inputOf("jpg", len(name)), 0o644))
	}
}

// writeInput writes a shard of n samples, the first of them with the given number.
func writeInput(ts *testscript.TestScript, name string, first, n int, exts ...string) {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	var to io.WriteCloser = f
	if strings.HasSuffix(name, ".tgz") {
		to = gzip.NewWriter(f)
	}
	w := tar.NewWriter(to)
	for i := first; i < first+n; i++ {
		key := fmt.Sprintf("n%08d_%d", 3_788_365+i/5, 17_158+i)
		for _, ext := range exts {
			content := inputOf(ext, i)
			ts.Check(w.WriteHeader(&tar.Header{
				Name: key + "." + ext, Size: int64(len(content)), Mode: 0o644, ModTime: time.Unix(1_560_000_000, 0),
			}))
			_, err := w.Write(content)
			ts.Check(err)
		}
	}
	ts.Check(w.Close())
	ts.Check(to.Close())
	f.Close()
}

// inputOf returns the content of a member of sample i.
func inputOf(ext string, i int) []byte {
	switch ext {
	case "jpg":
		picture := image.NewGray(image.Rect(0, 0, 16, 16))
		for j := range picture.Pix {
			picture.Pix[j] = byte(i * j)
		}
		var encoded bytes.Buffer
		jpeg.Encode(&encoded, picture, nil) // a buffer takes everything
		return encoded.Bytes()
	case "cls":
		return fmt.Append(nil, i%2)
	case "json":
		return fmt.Appendf(nil, `{"label": %q, "width": 16}`, []string{"cat", "dog"}[i%2])
	}
	return fmt.Appendf(nil, "text %d", i)
}
