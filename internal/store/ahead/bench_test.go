package ahead

import (
	"context"
	"fmt"
	"testing"
)

// instant is a source that costs nothing but what its bytes cost to hand on, 64 KiB at a time.
type instant struct{}

func (instant) Fetch(ctx context.Context, p []byte, off int64, got func(int)) error {
	for n := 0; n < len(p); {
		n = min(n+64<<10, len(p))
		got(n)
	}
	return ctx.Err()
}

// BenchmarkWalk is what a walk costs beside the requests: one GB/s is 1 ns a byte.
func BenchmarkWalk(b *testing.B) {
	for _, piece := range []int{64 << 10, 128 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", piece>>10), func(b *testing.B) {
			const size = 1 << 30
			c := NewCache(Options{})
			p := make([]byte, piece)
			b.SetBytes(size)
			for b.Loop() {
				o := c.Open(instant{}, Info{Size: size})
				for off := int64(0); off < size; off += int64(piece) {
					if _, err := o.ReadAt(b.Context(), p, off); err != nil {
						b.Fatal(err)
					}
				}
				o.Close()
			}
		})
	}
}
