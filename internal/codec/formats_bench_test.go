package codec

import (
	"bytes"
	"io"
	"os/exec"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// BenchmarkDecoder decodes 32 MiB that the format's own tool has written.
func BenchmarkDecoder(b *testing.B) {
	for kind, plain := range map[string][]byte{"jpeg": jpegLike(32<<20, 1), "text": text(32<<20, 1)} {
		for _, args := range [][]string{{"zstd"}, {"bzip2"}, {"xz", "-1", "-T2"}, {"lz4"}} {
			b.Run(kind+"/"+args[0], func(b *testing.B) {
				cmd := exec.Command(args[0], append(args[1:], "-c")...)
				cmd.Stdin = bytes.NewReader(plain)
				data, err := cmd.Output()
				if err != nil {
					skip.Without(b, "%v", err)
				}
				d, err := newDecoder(Detect(data), maxHistory, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(plain)))
				b.ReportAllocs()
				buf := make([]byte, 256<<10)
				for b.Loop() {
					if err := d.start(bytes.NewReader(data), front); err != nil {
						b.Fatal(err)
					}
					if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{d}, buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkZstdWriter compresses 32 MiB with one and two workers.
func BenchmarkZstdWriter(b *testing.B) {
	for kind, plain := range map[string][]byte{"jpeg": jpegLike(32<<20, 1), "text": text(32<<20, 1)} {
		for name, workers := range map[string]int{"1worker": 1, "2workers": 2} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				size := 0
				for b.Loop() {
					size = len(packZstd(b, plain, 1, workers, nil))
				}
				b.ReportMetric(float64(size)/float64(len(plain)), "size/plain")
			})
		}
	}
}
