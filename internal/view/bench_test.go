package view

import (
	"fmt"
	"path/filepath"
	"testing"
)

// BenchmarkReadAt reads whole files of an indexed shard, one after the other, as the kernel asks for them.
func BenchmarkReadAt(b *testing.B) {
	for _, size := range []int{8, 100_000} {
		b.Run(fmt.Sprintf("%d", size), func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "shard.tar")
			write(b, name, 1000, size, "x")
			v := open(b, name)
			x := v.Shard.Index
			buf := make([]byte, 128<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a, err := v.Lookup(DirIno(x.DirOf(i%1000)), "sample.x")
				check(b, err)
				if _, err := v.ReadAt(b.Context(), a.Ino, buf, 0); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
