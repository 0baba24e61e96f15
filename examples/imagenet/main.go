// Command imagenet draws a shard that looks like one of ImageNet's, for trying things without ImageNet.
//
//	imagenet -n 200 train-0000.tgz
//
// Each sample is a class number (KEY.cls), a picture (KEY.jpg) and an annotation (KEY.json), keys look like
// n03788365_17158. The same flags give the same bytes on every run.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

func main() {
	samples := flag.Int("n", 200, "number of `samples`")
	seed := flag.Uint64("seed", 1, "`number` that determines the pictures")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: imagenet [-n SAMPLES] [-seed NUMBER] SHARD.tgz")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := writeFile(flag.Arg(0), *samples, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "imagenet: error:", err)
		os.Exit(1)
	}
}

func writeFile(name string, samples int, seed uint64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := writeShard(f, samples, seed); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	return f.Close()
}

// writeShard writes a gzip-compressed tar of that many samples to w.
func writeShard(w io.Writer, samples int, seed uint64) error {
	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(zw)
	for i := range samples {
		if err := writeSample(tw, i, rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
			return err
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

// annotation is the content of KEY.json.
type annotation struct {
	Filename string   `json:"filename"`
	Label    string   `json:"label"`
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Boxes    [][4]int `json:"boxes"` // left, top, right, bottom
}

// writeSample draws the i-th sample and writes its members to tw.
func writeSample(tw *tar.Writer, i int, rng *rand.Rand) error {
	c := drawClass(rng)
	key := fmt.Sprintf("%s_%d", c.synset, 17158+37*i)
	img, boxes := draw(rng)
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, img, &jpeg.Options{Quality: 90}); err != nil {
		return err
	}
	note, err := json.Marshal(annotation{key + ".jpg", c.label, img.Rect.Dx(), img.Rect.Dy(), boxes})
	if err != nil {
		return err
	}
	for _, m := range []struct {
		ext  string
		body []byte
	}{
		{"cls", strconv.AppendInt(nil, int64(c.number), 10)},
		{"jpg", picture.Bytes()},
		{"json", note},
	} {
		header := &tar.Header{
			Format:  tar.FormatUSTAR,
			Name:    key + "." + m.ext,
			Mode:    0o644,
			Uid:     1000,
			Gid:     1000,
			Uname:   "bigdata",
			Gname:   "bigdata",
			Size:    int64(len(m.body)),
			ModTime: time.Date(2019, time.June, 8, 12, 12, 0, 0, time.UTC),
		}
		if err := tw.WriteHeader(header); err != nil {
			return err
		}
		if _, err := tw.Write(m.body); err != nil {
			return err
		}
	}
	return nil
}

// A class is one of ImageNet's thousand classes.
type class struct {
	number        int
	synset, label string
}

func drawClass(rng *rand.Rand) class {
	classes := [...]class{
		{0, "n01440764", "tench"},
		{281, "n02123045", "tabby"},
		{386, "n02504458", "African elephant"},
		{475, "n02965783", "car mirror"},
		{490, "n03000247", "chain mail"},
		{669, "n03788365", "mosquito net"},
		{805, "n04254680", "soccer ball"},
		{910, "n04597913", "wooden spoon"},
		{951, "n07749582", "lemon"},
		{983, "n10565667", "scuba diver"},
	}
	return classes[rng.IntN(len(classes))]
}
