package fusefs

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkRead reads all files of a mount for the first time, one after the other.
func BenchmarkRead(b *testing.B) {
	for _, kib := range []int{4, 100, 1000} {
		b.Run(fmt.Sprintf("%dKiB", kib), func(b *testing.B) {
			n := min(2000, 100_000/kib)
			content := strings.Repeat("0123456789abcdef", kib*64)
			var members []member
			for i := range n {
				members = append(members, member{fmt.Sprintf("%06d.bin", i), content})
			}
			m := mountMembers(b, withFUSE, members...)
			b.SetBytes(int64(n * len(content)))
			for b.Loop() {
				b.StopTimer()
				m.restart()
				b.StartTimer()
				for i := range n {
					f, err := os.Open(m.path(fmt.Sprintf("%06d/sample.bin", i)))
					check(b, err)
					_, err = io.Copy(io.Discard, struct{ io.Reader }{f})
					check(b, err)
					f.Close()
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}

// BenchmarkCreate makes files of 4 KiB in a sample's directory.
func BenchmarkCreate(b *testing.B) {
	m := mountMembers(b, withFUSE, samples(1)...)
	content := make([]byte, 4096)
	i := 0
	for b.Loop() {
		check(b, os.WriteFile(m.path(fmt.Sprintf("000000/new%d", i)), content, 0o644))
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// BenchmarkStat looks a file of the shard up for the first time, with its directory.
func BenchmarkStat(b *testing.B) {
	const n = 20_000
	m := mountMembers(b, withFUSE, samples(n)...)
	i := 0
	var st unix.Stat_t
	for b.Loop() {
		if i == n {
			b.StopTimer()
			m.restart()
			b.StartTimer()
			i = 0
		}
		check(b, unix.Lstat(m.path(fmt.Sprintf("%06d/sample.jpg", i)), &st))
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
