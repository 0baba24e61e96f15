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

const benchSize = 192 << 20

// benchShard returns a tar of benchSize bytes of JPEG-like samples and its gzip -6.
func benchShard(b *testing.B) (plain, gz []byte) {
	plain = sampleTar(b, benchSize)
	return plain, compressStd(b, plain, 6)
}

func BenchmarkReader(b *testing.B) {
	plain, gz := benchShard(b)
	for _, bb := range []struct {
		name string
		open func(io.Reader) (io.Reader, error)
	}{
		{"plain", func(r io.Reader) (io.Reader, error) { return NewReader(Gzip, r, Options{}) }},
		{"map", func(r io.Reader) (io.Reader, error) { return NewReader(Gzip, r, Options{Map: true}) }},
		{"klauspost", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"std", func(r io.Reader) (io.Reader, error) { return stdgzip.NewReader(r) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			buf := make([]byte, 256<<10)
			for b.Loop() {
				r, err := bb.open(struct{ io.Reader }{bytes.NewReader(gz)}) // as a file, which is no io.ByteReader
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

func BenchmarkReaderAt(b *testing.B) {
	plain, gz := benchShard(b)
	m := mapOf(b, gz, narrowSpacing)
	for workers := 1; workers <= runtime.GOMAXPROCS(0); workers *= 2 {
		open := func() *ReaderAt {
			o := ReaderAtOptions{Workers: workers}
			return NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, o)
		}
		b.Run(fmt.Sprintf("sequential-128KiB/workers-%d", workers), func(b *testing.B) {
			p := make([]byte, 128<<10)
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				z := open()
				for off := 0; off+len(p) <= len(plain); off += len(p) {
					if _, err := z.ReadAt(b.Context(), p, int64(off)); err != nil {
						b.Fatal(err)
					}
				}
				z.Close()
			}
		})
	}
	b.Run("random-100KiB", func(b *testing.B) {
		p := make([]byte, 100<<10)
		b.SetBytes(int64(len(p)))
		b.ReportAllocs()
		o := ReaderAtOptions{Cache: NewCache(1 << 20)}
		z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, o)
		defer z.Close()
		r := rand.New(rand.NewPCG(1, 1))
		for b.Loop() {
			if _, err := z.ReadAt(b.Context(), p, r.Int64N(int64(len(plain)-len(p)))); err != nil {
				b.Fatal(err)
			}
		}
	})
	// Two threads read ahead: the pieces come out of order, as from the kernel.
	b.Run("swapped-64KiB", func(b *testing.B) {
		p := make([]byte, 64<<10)
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			z := NewReaderAt(Gzip, FromReaderAt(bytes.NewReader(gz)), int64(len(gz)), m, ReaderAtOptions{Workers: 1})
			for i := range len(plain) / len(p) / 2 * 2 {
				if _, err := z.ReadAt(b.Context(), p, int64((i^1)*len(p))); err != nil {
					b.Fatal(err)
				}
			}
			z.Close()
		}
	})
}

func BenchmarkGzipWriter(b *testing.B) {
	plain := sampleTar(b, benchSize)
	for _, level := range []int{1, 6} {
		for workers := 1; workers <= runtime.GOMAXPROCS(0); workers *= 2 {
			b.Run(fmt.Sprintf("level-%d/workers-%d", level, workers), func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				b.ReportAllocs()
				for b.Loop() {
					w, err := newGzipWriter(io.Discard, level, workers)
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
