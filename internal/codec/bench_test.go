package codec

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// benchShard returns a tar of 64 MiB of JPEG-like samples and its gzip -6.
func benchShard(b *testing.B) (plain, gz []byte) {
	plain = sampleTar(b, 64<<20)
	return plain, compressStd(b, plain, 6)
}

func BenchmarkGzipReader(b *testing.B) {
	plain, gz := benchShard(b)
	for _, bb := range []struct {
		name string
		open func(io.Reader) (io.Reader, error)
	}{
		{"plain", func(r io.Reader) (io.Reader, error) { return NewGzipReader(r, GzipOptions{}), nil }},
		{"checkpoints-256KiB", func(r io.Reader) (io.Reader, error) {
			return NewGzipReader(r, GzipOptions{Span: 256 << 10, OnCheckpoint: func(Checkpoint) {}}), nil
		}},
		{"checkpoints-2MiB", func(r io.Reader) (io.Reader, error) {
			return NewGzipReader(r, GzipOptions{OnCheckpoint: func(Checkpoint) {}}), nil
		}},
		{"klauspost", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"std", func(r io.Reader) (io.Reader, error) { return stdgzip.NewReader(r) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			buf := make([]byte, 256<<10)
			for b.Loop() {
				r, err := bb.open(bytes.NewReader(gz))
				if err != nil {
					b.Fatal(err)
				}
				// Without WriterTo, which only the others have.
				if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGzipReaderAt(b *testing.B) {
	plain, gz := benchShard(b)
	for _, span := range []int64{256 << 10, 2 << 20} {
		points := index(b, gz, span)
		open := func() *GzipReaderAt {
			return NewGzipReaderAt(bytes.NewReader(gz), int64(len(gz)), int64(len(plain)), points)
		}
		b.Run(fmt.Sprintf("sequential-128KiB/span-%dKiB", span>>10), func(b *testing.B) {
			p := make([]byte, 128<<10)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			z, off := open(), 0
			for b.Loop() {
				if off+len(p) > len(plain) {
					z, off = open(), 0
				}
				if _, err := z.ReadAt(p, int64(off)); err != nil {
					b.Fatal(err)
				}
				off += len(p)
			}
		})
		b.Run(fmt.Sprintf("random-100KiB/span-%dKiB", span>>10), func(b *testing.B) {
			p := make([]byte, 100<<10)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			z := open()
			r := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				if _, err := z.ReadAt(p, r.Int64N(int64(len(plain)-len(p)))); err != nil {
					b.Fatal(err)
				}
			}
		})
		// Two threads read ahead: the pieces come out of order, as from the kernel.
		b.Run(fmt.Sprintf("swapped-64KiB/span-%dKiB", span>>10), func(b *testing.B) {
			p := make([]byte, 64<<10)
			b.SetBytes(int64(len(p)))
			z, i := open(), 0
			for b.Loop() {
				off := (i ^ 1) * len(p)
				if off+len(p) > len(plain) {
					z, i = open(), 0
					continue
				}
				if _, err := z.ReadAt(p, int64(off)); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkGzipWriter(b *testing.B) {
	plain := sampleTar(b, 64<<20)
	for _, level := range []int{1, 6} {
		for workers := 1; workers <= runtime.GOMAXPROCS(0); workers *= 2 {
			b.Run(fmt.Sprintf("level-%d/workers-%d", level, workers), func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				b.ReportAllocs()
				for b.Loop() {
					w, err := NewGzipWriter(io.Discard, level, workers)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := w.Write(plain); err != nil {
						b.Fatal(err)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
