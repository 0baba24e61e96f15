package indexformat

import (
	"io"
	"strings"
	"testing"
)

func BenchmarkExport(b *testing.B) {
	s := shardOf(b, makeTar(b, numbered(50_000)...))
	for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
		b.Run(string(f)+"/100000 members", func(b *testing.B) {
			b.ReportAllocs()
			if f == HuggingFace {
				b.SetBytes(s.Size)
			}
			for b.Loop() {
				if _, err := Export(io.Discard, f, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkImport(b *testing.B) {
	s := shardOf(b, makeTar(b, numbered(50_000)...))
	for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
		text, _ := export(b, f, s)
		b.Run(string(f)+"/100000 members", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := mustImport(b, f, text, s.Size).Check(s.Index); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Digests of large members: what an export for Hugging Face costs on an ordinary shard.
func BenchmarkDigest(b *testing.B) {
	s := shardOf(b, makeTar(b, file{"a.jpg", strings.Repeat("x", 64<<20)}))
	b.SetBytes(s.Size)
	for b.Loop() {
		if _, _, err := digestRows(s); err != nil {
			b.Fatal(err)
		}
	}
}
