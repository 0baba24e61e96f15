package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func mustProbe(t *testing.T, content []byte) [32]byte {
	t.Helper()
	sum, err := Probe(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// Changes that a digest detects, and those that it is documented to miss.
func TestProbe(t *testing.T) {
	const KiB = 1 << 10
	for _, tt := range []struct {
		size, at int // which byte is changed
		seen     bool
	}{
		{1, 0, true},
		{511, 510, true},
		{64 * KiB, 40 * KiB, true},
		{100 * KiB, 70 * KiB, true},
		{1000 * KiB, 0, true},
		{1000 * KiB, 64*KiB - 1, true},
		{1000 * KiB, 64 * KiB, false},
		{1000 * KiB, 500*KiB - 32*KiB - 1, false},
		{1000 * KiB, 500*KiB - 32*KiB, true},
		{1000 * KiB, 500*KiB + 32*KiB - 1, true},
		{1000 * KiB, 500*KiB + 32*KiB, false},
		{1000 * KiB, 936*KiB - 1, false},
		{1000 * KiB, 936 * KiB, true},
		{1000 * KiB, 1000*KiB - 1, true},
		{1_024_200, 479_231, false},
		{1_024_200, 479_232, true}, // a block's first byte
	} {
		content := noise(tt.size)
		before := mustProbe(t, content)
		if mustProbe(t, bytes.Clone(content)) != before {
			t.Errorf("%d bytes: two copies differ", tt.size)
		}
		content[tt.at]++
		if seen := mustProbe(t, content) != before; seen != tt.seen {
			t.Errorf("%d bytes, changed at %d: seen %v, want %v", tt.size, tt.at, seen, tt.seen)
		}
	}
}

// Up to 190 KiB no byte is left out, for any size.
func TestProbeSmallIsWhole(t *testing.T) {
	for _, size := range []int{1000, 65_537, 131_072, 131_073, 194_049, 194_303, 190 << 10} {
		content := make([]byte, size)
		before := mustProbe(t, content)
		for at := 0; at < size; at += 499 {
			content[at] = 1
			if mustProbe(t, content) == before {
				t.Fatalf("%d bytes: a change at %d is not seen", size, at)
			}
			content[at] = 0
		}
	}
}

// Only the size distinguishes zeros from more zeros.
func TestProbeSize(t *testing.T) {
	seen := make(map[[32]byte]int)
	for _, size := range []int{0, 1, 511, 512, 513, 65_536, 65_537, 1 << 20, 1<<20 + 1} {
		sum := mustProbe(t, make([]byte, size))
		if other, ok := seen[sum]; ok {
			t.Errorf("%d and %d zeros have one digest", other, size)
		}
		seen[sum] = size
	}
}

func TestProbeErrors(t *testing.T) {
	if _, err := Probe(bytes.NewReader(nil), -1); err == nil {
		t.Error("a negative size: no error")
	}
	for _, size := range []int64{1, 512, 200_000, 1 << 62} {
		if _, err := Probe(bytes.NewReader(noise(int(min(size, 100_001))-1)), size); !errors.Is(err,
			io.ErrUnexpectedEOF) {
			t.Errorf("shorter than its %d bytes: %v, want %v", size, err, io.ErrUnexpectedEOF)
		}
	}
}

func BenchmarkProbe(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			name := filepath.Join(b.TempDir(), "a.tar")
			if err := os.WriteFile(name, noise(size), 0o644); err != nil {
				b.Fatal(err)
			}
			o, err := os.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			defer o.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Probe(o, int64(size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// noise returns bytes of which no part equals another.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
