package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

// A drawn describes a generated shard. Its bytes are the same in every run.
type drawn struct {
	name    string // name of the file
	samples int
	members func(i int) []member // of sample i
}

// A member is a text followed by random bytes.
type member struct {
	ext    string
	text   string
	random int64
}

func (m member) size() int64 {
	return int64(len(m.text)) + m.random
}

// photos returns a typical training shard: samples of a class number, a picture of 60 to 140 KB and an annotation.
func photos(samples int) drawn {
	return drawn{"photos.tar", samples, func(i int) []member {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		return []member{
			{ext: "cls", text: fmt.Sprint(rng.IntN(1000))},
			{ext: "jpg", random: 60_000 + rng.Int64N(80_001)},
			{ext: "json", text: fmt.Sprintf(`{"key": "%06d", "width": 500, "height": 375}`, i)},
		}
	}}
}

// thumbs returns a shard of small pictures.
func thumbs(samples int) drawn {
	return drawn{fmt.Sprintf("thumbs-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "cls", text: fmt.Sprint(i % 1000)},
			{ext: "jpg", random: 2048},
			{ext: "json", text: fmt.Sprintf(`{"key": "%06d", "width": 32, "height": 32}`, i)},
		}
	}}
}

// texts returns a shard of tiny members of about 100 bytes, two per sample.
func texts(samples int) drawn {
	return drawn{fmt.Sprintf("texts-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "txt", random: 100},
			{ext: "json", text: fmt.Sprintf(
				`{"key": "%06d", "source": "generated", "language": "none", "quality": 0.5, "license": "CC0"}`, i)},
		}
	}}
}

// jpegs returns a shard like photos but with real JPEG files, which gzip hardly compresses. They repeat, but further
// apart than gzip's window.
func jpegs(samples int) drawn {
	files := drawJPEGs(min(samples, 8))
	return drawn{fmt.Sprintf("jpegs-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "cls", text: fmt.Sprint(i * 7 % 1000)},
			{ext: "jpg", text: files[i%len(files)]},
			{ext: "json", text: fmt.Sprintf(`{"key": "%06d", "width": 640, "height": 480}`, i)},
		}
	}}
}

// albums returns a shard of pictures alone: the first ones are like those of jpegs, all others tiny.
func albums(samples int) drawn {
	large, small := drawJPEGs(8), drawIcons(8)
	return drawn{fmt.Sprintf("albums-%d.tar", samples), samples, func(i int) []member {
		if i < 200 {
			return []member{{ext: "jpg", text: large[i%len(large)]}}
		}
		return []member{{ext: "jpg", text: small[i%len(small)]}}
	}}
}

// prose returns a shard of texts of 5 KB, which also repeat far apart.
func prose(samples int) drawn {
	texts := drawProse(64, 5_000)
	return drawn{fmt.Sprintf("prose-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "txt", text: texts[i%len(texts)]},
			{ext: "json", text: fmt.Sprintf(`{"key": "%06d", "source": "generated", "language": "none"}`, i)},
		}
	}}
}

// portraits returns a shard of pictures like those of jpegs, none of which repeats: formats with a long window find
// those that do.
func portraits(samples int) drawn {
	files := drawJPEGs(samples)
	return drawn{fmt.Sprintf("portraits-%d.tar", samples), samples, func(i int) []member {
		return []member{{ext: "cls", text: fmt.Sprint(i * 7 % 1000)}, {ext: "jpg", text: files[i]}}
	}}
}

// essays returns a shard of texts like those of prose, none of which repeats.
func essays(samples int) drawn {
	texts := drawProse(samples, 5_000)
	return drawn{fmt.Sprintf("essays-%d.tar", samples), samples, func(i int) []member {
		return []member{{ext: "txt", text: texts[i]}}
	}}
}

// Sizes in a tar: of a header, the unit to which content is padded, and the two zero blocks at the end.
const (
	block   = 512
	trailer = 2 * block
)

// size returns the size of the shard's file in bytes.
func (s drawn) size() int64 {
	n := int64(trailer)
	for i := range s.samples {
		for _, m := range s.members(i) {
			n += block + (m.size()+block-1)/block*block
		}
	}
	return n
}

// bodies returns the size of all members' content in bytes.
func (s drawn) bodies() int64 {
	var n int64
	for i := range s.samples {
		for _, m := range s.members(i) {
			n += m.size()
		}
	}
	return n
}

// write writes the shard as a plain ustar tar.
func (s drawn) write(ctx context.Context, w io.Writer) error {
	noise := rand.NewChaCha8([32]byte{})
	tw := tar.NewWriter(w)
	for i := range s.samples {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, m := range s.members(i) {
			h := &tar.Header{Format: tar.FormatUSTAR, Name: fmt.Sprintf("%06d.%s", i, m.ext), Mode: 0o644,
				Size: m.size()}
			if err := tw.WriteHeader(h); err != nil {
				return err
			}
			if _, err := io.WriteString(tw, m.text); err != nil {
				return err
			}
			if _, err := io.CopyN(tw, noise, m.random); err != nil {
				return err
			}
		}
	}
	return tw.Close()
}

// draw makes the shard's file unless an earlier run has left it, reads it into the page cache and returns its path.
func (b *bench) draw(ctx context.Context, s drawn) (string, error) {
	name := b.shared(s.name)
	if info, err := os.Stat(name); err != nil || info.Size() != s.size() {
		note("drawing %s, %s bytes", name, group(float64(s.size())))
		if err := create(name, func(w io.Writer) error { return s.write(ctx, w) }); err != nil {
			return "", err
		}
	}
	return name, warm(name)
}

// warm reads a file into the page cache.
func warm(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, struct{ io.Reader }{f})
	return err
}

// create writes a file that gets its name only when it is complete.
func create(name string, write func(io.Writer) error) error {
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	o := atomicfile.Options{Replace: true, Durable: atomicfile.Volatile}
	f, err := atomicfile.Create(dir, filepath.Base(name), o)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(write(w), w.Flush()); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

// extract extracts a shard to directories as in a mount, KEY/sample.EXT, unless an earlier run has left them. It
// returns the directory above them; its files are in the page cache.
func (b *bench) extract(ctx context.Context, s drawn) (string, error) {
	root := b.shared(strings.TrimSuffix(s.name, ".tar"))
	if n, err := readTree(ctx, root); err == nil && n == s.bodies() {
		return root, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	note("extracting %s to %s", s.name, root)
	if err := os.RemoveAll(root); err != nil {
		return "", err
	}
	if err := extract(ctx, b.shared(s.name), root); err != nil {
		return "", err
	}
	_, err := readTree(ctx, root)
	return root, err
}

func extract(ctx context.Context, name, root string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for tr := tar.NewReader(bufio.NewReaderSize(f, 1<<20)); ctx.Err() == nil; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("extract %s: %w", name, err)
		}
		key, ext, _ := strings.Cut(h.Name, ".")
		if err := os.MkdirAll(filepath.Join(root, key), 0o755); err != nil {
			return err
		}
		err = create(filepath.Join(root, key, "sample."+ext), func(w io.Writer) error {
			_, err := io.Copy(w, tr)
			return err
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
