package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"testing"

	klauspost "github.com/klauspost/compress/flate"
)

// BenchmarkReader compares decoding with that of the standard library and of klauspost.
func BenchmarkReader(b *testing.B) {
	for _, of := range []struct {
		name string
		kind int
	}{{"jpeg", jpeg}, {"words", words}, {"noise", noise}, {"runs", runs}} {
		var data bytes.Buffer
		plain := sample(rand.New(rand.NewPCG(1, 9)), of.kind, 16<<20)
		w, err := flate.NewWriter(&data, 6)
		if err != nil {
			b.Fatal(err)
		}
		w.Write(plain)
		w.Close()
		in := bytes.NewReader(nil)
		br := bufio.NewReaderSize(in, 64<<10)
		run := func(by string, z io.Reader, reset func()) {
			b.Run(of.name+"/by="+by, func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				b.ReportAllocs()
				buf := make([]byte, 64<<10)
				for b.Loop() {
					in.Reset(data.Bytes())
					br.Reset(in)
					reset()
					n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{z}, buf)
					if n != int64(len(plain)) || err != nil {
						b.Fatal(n, err)
					}
				}
			})
		}
		z := NewReader()
		run("inflate", z, func() { z.Reset(br, 0, nil) })
		k := klauspost.NewReader(br)
		run("klauspost", k, func() { k.(klauspost.Resetter).Reset(br, nil) })
		s := flate.NewReader(br)
		run("std", s, func() { s.(flate.Resetter).Reset(br, nil) })
	}
}

// BenchmarkReset starts a Reader in the middle of a stream, for 4 KiB: what a read at a random place costs at least.
func BenchmarkReset(b *testing.B) {
	_, data := stream(b, rand.New(rand.NewPCG(1, 10)), 300_000)
	z := NewReader()
	_, places := decode(z, data, 0, 1<<20, 1)
	p := places[len(places)/2]
	in := bytes.NewReader(nil)
	br := bufio.NewReaderSize(in, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(data[p.in:])
		br.Reset(in)
		z.Reset(br, p.bit, p.window)
		if _, err := z.Next(4 << 10); err != nil {
			b.Fatal(err)
		}
	}
}
