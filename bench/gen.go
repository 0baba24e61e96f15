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

// A drawn says what a generated drawn holds. Its bytes are the same in every run.
type drawn struct {
	name    string // the file's
	samples int
	members func(i int) []member // of sample i
}

// A member is some text followed by so many random bytes.
type member struct {
	ext    string
	text   string
	random int64
}

func (m member) size() int64 {
	return int64(len(m.text)) + m.random
}

// photos is a shard as one trains on: samples of a class number, a picture of 60 to 140 KB and an annotation.
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

// thumbs is a shard of small pictures.
func thumbs(samples int) drawn {
	return drawn{fmt.Sprintf("thumbs-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "cls", text: fmt.Sprint(i % 1000)},
			{ext: "jpg", random: 2048},
			{ext: "json", text: fmt.Sprintf(`{"key": "%06d", "width": 32, "height": 32}`, i)},
		}
	}}
}

// texts is a shard of tiny members, two a sample of about 100 bytes.
func texts(samples int) drawn {
	return drawn{fmt.Sprintf("texts-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "txt", random: 100},
			{ext: "json", text: fmt.Sprintf(
				`{"key": "%06d", "source": "generated", "language": "none", "quality": 0.5, "license": "CC0"}`, i)},
		}
	}}
}

// jpegs is a shard like photos but of real JPEG files, which gzip hardly makes smaller. They repeat, but further apart than
// gzip can see.
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

// prose is a shard of texts of 5 KB, which also repeat far apart.
func prose(samples int) drawn {
	texts := drawProse(64, 5_000)
	return drawn{fmt.Sprintf("prose-%d.tar", samples), samples, func(i int) []member {
		return []member{
			{ext: "txt", text: texts[i%len(texts)]},
			{ext: "json", text: fmt.Sprintf(`{"key": "%06d", "source": "generated", "language": "none"}`, i)},
		}
	}}
}

// Sizes in a tar: a member's header and the unit its body is padded to, and the two empty blocks at the end.
const (
	block   = 512
	trailer = 2 * block
)

// size is the number of bytes of the shard's file.
func (s drawn) size() int64 {
	n := int64(trailer)
	for i := range s.samples {
		for _, m := range s.members(i) {
			n += block + (m.size()+block-1)/block*block
		}
	}
	return n
}

// bodies is the number of bytes in the members alone.
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

// draw makes the shard's file unless an earlier run left it, reads it into the page cache and returns its path.
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

// create writes a file that has its name only once it is whole.
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

// extract extracts a shard to directories as a mount shows it, KEY/sample.EXT, unless an earlier run left them. It returns
// the directory above them; its files are in the page cache.
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
