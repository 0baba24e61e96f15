package erofs

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/view"
)

// large writes a shard of many samples of three small members, with its index, and returns its name.
func large(t testing.TB, samples int, key func(i int) string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shard.tar")
	f, err := os.Create(name)
	check(t, err)
	buf := bufio.NewWriterSize(f, 1<<20)
	w := tar.NewWriter(buf)
	for i := range samples {
		for _, ext := range []string{"jpg", "cls", "json"} {
			check(t, w.WriteHeader(&tar.Header{Name: key(i) + "." + ext, Size: 1, Mode: 0o644, ModTime: shardTime()}))
			_, err := io.WriteString(w, "x")
			check(t, err)
		}
	}
	check(t, errors.Join(w.Close(), buf.Flush(), f.Close()))
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(t, err)
	check(t, errors.Join(sh.Save(t.Context(), name+shard.SidecarSuffix), sh.Close()))
	return name
}

// BenchmarkImage measures New and reads of slots, for 500 000 samples.
func BenchmarkImage(b *testing.B) {
	const samples = 500_000
	for _, bb := range []struct {
		name string
		key  func(i int) string
	}{
		{"ascending", func(i int) string { return fmt.Sprintf("%08d", i) }},
		{"shuffled", func(i int) string { return fmt.Sprintf("%08d", i*7919%samples) }},
		{"nested", func(i int) string { return fmt.Sprintf("train/%08d", i) }},
	} {
		name := large(b, samples, bb.key)
		open := func(b *testing.B) *Image {
			b.StopTimer()
			sh, err := shard.Open(b.Context(), name, shard.Options{})
			check(b, err)
			b.Cleanup(func() { check(b, sh.Close()) })
			v := view.New(sh)
			b.StartTimer()
			m, err := New(v, Options{})
			check(b, err)
			return m
		}
		b.Run(bb.name+"/New", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				open(b)
			}
		})
		b.Run(bb.name+"/head", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := open(b)
				_, err := m.ReadAt(make([]byte, headSize), 0)
				check(b, err)
			}
		})
		m := open(b)
		for _, size := range []int{4 << 10, 128 << 10} {
			b.Run(fmt.Sprintf("%s/slots/%dKiB", bb.name, size>>10), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				p, off := make([]byte, size), m.at.slots
				for b.Loop() {
					_, err := m.ReadAt(p, off)
					check(b, err)
					if off += int64(size); off+int64(size) > m.at.members {
						off = m.at.slots
					}
				}
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				b.ReportMetric(float64(m.slot), "B/slot")
				b.ReportMetric(float64(mem.HeapInuse)/(1<<20), "MiB")
			})
		}
	}
}
