package codec

import (
	"bytes"
	"io"
	"slices"
	"testing"
)

// TestPlacement offers places and marks samples, in order, all in KiB. A place is free if it needs no window.
func TestPlacement(t *testing.T) {
	const free, window = 0, 100
	type step struct {
		out    int64 // of a place, if it is not 0
		window int
		sample int64 // that starts, if it is not 0
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  []int64
	}{
		{"the last place before a sample",
			[]step{{1000, window, 0}, {1100, window, 0}, {1300, window, 0}, {0, 0, 1250}}, []int64{1100}},
		{"one right at a sample", []step{{1000, window, 0}, {0, 0, 1000}}, []int64{1000}},
		{"too near", []step{{999, window, 0}, {0, 0, 999}}, nil},
		{"too near for the sample, not for the next",
			[]step{{999, window, 0}, {1001, window, 0}, {0, 0, 1000}, {0, 0, 1200}}, []int64{1001}},
		{"a free place", []step{{300, free, 0}, {500, window, 0}, {1000, window, 0}}, []int64{300}},
		{"but not each",
			[]step{{299, free, 0}, {700, free, 0}, {900, free, 0}, {1000, free, 0}, {1100, window, 0}},
			[]int64{700, 1000}},
		{"a later one can be the next",
			[]step{{600, free, 0}, {1700, window, 0}, {0, 0, 600}, {0, 0, 1800}}, []int64{600, 1700}},
		{"one soon after it cannot",
			[]step{{1000, window, 0}, {1900, window, 0}, {0, 0, 1000}, {0, 0, 1950}}, []int64{1000}},
		{"no sample", []step{{1000, window, 0}, {1100, window, 0}, {1250, window, 0}}, []int64{1100}},
		{"no sample for long",
			[]step{{1000, window, 0}, {0, 0, 10}, {1900, window, 0}, {2000, window, 0}}, []int64{1900}},
	} {
		p := placement{spacing: 1000 << 10, free: 300 << 10}
		var got []int64
		take := func(limit int64) {
			if c, ok := p.take(limit); ok {
				got = append(got, c.Out>>10)
			}
		}
		for _, s := range tt.steps {
			if s.sample != 0 {
				p.marked = true
				take(s.sample << 10)
				continue
			}
			for p.due(s.out << 10) {
				take(s.out << 10)
			}
			p.offer(candidate{Checkpoint{Out: s.out << 10}, s.window})
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A shard of tiny blocks does not make many candidates.
func TestPlacementTinyBlocks(t *testing.T) {
	p := placement{spacing: 1 << 20, free: freeSpacing}
	for out := range int64(2 << 20) {
		p.offer(candidate{Checkpoint{Out: out}, 100})
		p.offer(candidate{Checkpoint{Out: out, In: 1}, 100})
	}
	if n := len(p.held); n > 2*(1<<20)/holdApart+2 {
		t.Errorf("%d candidates", n)
	}
	if c, ok := p.take(2 << 20); !ok || c.Out != 2<<20-1 || c.In != 1 {
		t.Errorf("%+v", c)
	}
}

func TestSpacing(t *testing.T) {
	words, image := text(4<<20, 6), jpegLike(3<<19, 1)
	for _, tt := range []struct {
		name     string
		plain    []byte
		gz       []byte
		min, max int64 // mean distance
	}{
		{"one member of text", words, compress(t, words, 6), 400 << 10, 1600 << 10}, // the first few are near
		{"one member like JPEG", image, compressStd(t, image, 6), 256 << 10, 400 << 10},
		{"large members", words, members(t, words, 500<<10), 256 << 10, 1000 << 10},
		{"members of a spacing", image, members(t, image, 256<<10), 120 << 10, 257 << 10},
		{"small members", image, members(t, image, 50<<10), 90 << 10, 101 << 10},
	} {
		m := mapOf(t, tt.gz, 0)
		if n := int64(m.Points.Len()); m.Plain/n < tt.min || m.Plain/n > tt.max {
			t.Errorf("%s: %d checkpoints in %d bytes", tt.name, n, m.Plain)
		}
		checkMap(t, m, tt.gz, tt.plain)
	}
}

// If samples are marked, checkpoints are right before them.
func TestMark(t *testing.T) {
	plain := sampleTar(t, 4<<20)
	gz := compress(t, plain, 6)
	var samples []int64
	for off := 0; off < len(plain)-1024; {
		if bytes.HasPrefix(plain[off+6:], []byte(".jpg\x00")) {
			samples = append(samples, int64(off))
		}
		off += 512
	}
	places := offered(t, gz)
	m := markedMap(t, gz, samples)
	checkMap(t, m, gz, plain)
	near := 0
	for i := 1; i < m.Points.Len(); i++ {
		c := m.Points.At(i)
		if c.Out-m.Points.At(i-1).Out >= 2*narrowSpacing {
			continue // no place came in time
		}
		near++
		k, _ := slices.BinarySearch(samples, c.Out)
		for _, p := range places {
			if k < len(samples) && c.Out < p.Out && p.Out <= samples[k] {
				t.Fatalf("checkpoint at %d, the place at %d is nearer to the sample at %d", c.Out, p.Out, samples[k])
			}
		}
	}
	if near < 7 {
		t.Fatalf("%d checkpoints", near)
	}
}

// markedMap returns the map from a pass over gz that marks samples late, as a parser does that reads ahead.
func markedMap(t testing.TB, gz []byte, samples []int64) Map {
	z, err := NewReader(Gzip, bytes.NewReader(gz), Options{Map: true})
	if err != nil {
		t.Fatal(err)
	}
	off := int64(0)
	for buf := make([]byte, 100_000); ; {
		n, err := z.Read(buf)
		for off += int64(n); len(samples) > 0 && samples[0] < off; samples = samples[1:] {
			z.Mark(samples[0])
		}
		if err == io.EOF {
			return z.Map()
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
