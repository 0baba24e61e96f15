package inflate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// readAll decodes all of data.
func readAll(z *Reader, data []byte) ([]byte, error) {
	z.Reset(bufio.NewReaderSize(bytes.NewReader(data), 100), 0, nil)
	return io.ReadAll(z)
}

// TestStreams decodes long streams in all ways.
func TestStreams(t *testing.T) {
	z := NewReader()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 4))
		plain, data := stream(t, r, 300_000)
		got, err := readAll(z, data)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("seed %d: %d bytes of %d, %v", seed, len(got), len(plain), err)
		}
		check(t, z, slices.Concat(data, []byte("what follows")), seed)
	}
}

// A stream that is cut anywhere gives the bytes before the cut, and all that can be known of them.
func TestTruncated(t *testing.T) {
	z := NewReader()
	for seed := range uint64(200) {
		plain, data := stream(t, rand.New(rand.NewPCG(seed, 5)), 500)
		before := 0
		for n := range data {
			got, err := readAll(z, data[:n])
			if err != io.ErrUnexpectedEOF || !bytes.HasPrefix(plain, got) || len(got) < before {
				t.Fatalf("seed %d, %d bytes of %d: %d bytes after %d, %v", seed, n, len(data), len(got), before, err)
			}
			before = len(got)
		}
		if got, err := readAll(z, data); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("seed %d: %d bytes, %v", seed, len(got), err)
		}
	}
}

// flat returns n lengths of codes, those of symbols all the same.
func flat(n int, l uint8, symbols ...int) []uint8 {
	lens := make([]uint8, n)
	for _, i := range symbols {
		lens[i] = l
	}
	return lens
}

// TestCodes has codes that are at the border of what zlib accepts.
func TestCodes(t *testing.T) {
	block := func(lits, dists []uint8) *bitWriter { return new(bitWriter).codes(1, lits, dists) }
	end := flat(257, 1, 256)
	four := flat(258, 2, 'a', 'b', 256, 257) // a length of 3 is the last code
	for _, tt := range []struct {
		name string
		w    *bitWriter
		want string // plain bytes, or a part of the error
	}{
		{"only the end", block(end, flat(1, 1, 0)).put(0, 1), ""},
		{"the other bit", block(end, flat(1, 1, 0)).put(1, 1), "no such code"},
		{"the end of 2 bits", block(flat(257, 2, 256), flat(1, 1, 0)), "wrong code for literals"},
		{"no end", block(flat(257, 1, 'a', 'b'), flat(1, 1, 0)), "no code for the end"},
		{"too few literals", block(flat(257, 2, 'a', 'b', 256), flat(1, 1, 0)), "wrong code for literals"},
		{"too many literals", block(flat(257, 1, 'a', 'b', 256), flat(1, 1, 0)), "wrong code for literals"},
		{"one distance", block(four, flat(1, 1, 0)).code(0, 2).code(3, 2).put(0, 1).code(2, 2), "aaaa"},
		{"another distance", block(four, flat(2, 1, 1)).code(0, 2).code(1, 2).code(3, 2).put(0, 1).code(2, 2), "ababa"},
		{"not that distance", block(four, flat(1, 1, 0)).code(0, 2).code(3, 2).put(1, 1), "no such distance"},
		{"one distance of 2 bits", block(four, flat(1, 2, 0)), "wrong code for distances"},
		{"three distances of 2 bits", block(four, flat(3, 2, 0, 1, 2)), "wrong code for distances"},
		{"three distances of 1 bit", block(four, flat(3, 1, 0, 1, 2)), "wrong code for distances"},
		{"no distance", block(four, flat(1, 0)).code(0, 2).code(2, 2), "a"},
		{"no distance, but a length", block(four, flat(1, 0)).code(0, 2).code(3, 2).put(0, 9), "no such distance"},
		{"too far", block(four, flat(2, 1, 0, 1)).code(0, 2).code(3, 2).code(1, 1), "before the first byte"},
		{"287 literals", new(bitWriter).put(1|2<<1|30<<3, 17), "too many codes"},
		{"31 distances", new(bitWriter).put(1|2<<1|30<<8, 17), "too many codes"},
		{"fixed, literal 286", new(bitWriter).put(3, 3).code(0b11000110, 8), "no such code"},
		{"fixed, distance 30", new(bitWriter).put(3, 3).code(0b00110000, 8).code(1, 7).code(30, 5), "no such distance"},
		{"lengths of 1 bit only", new(bitWriter).put(1|2<<1, 17).put(1, 12), "lengths of codes"},
		{"no lengths", new(bitWriter).put(1|2<<1, 17).put(0, 12), "lengths of codes"},
		{"repeated first", new(bitWriter).put(1|2<<1, 17).put(1|1<<3, 12).put(0, 40), "without one before"},
		{"repeated last", new(bitWriter).put(1|2<<1, 17).put(1<<6|1<<9, 12).put(1<<64-1, 64), "after the last one"},
		{"type 3", new(bitWriter).put(7, 3), "block type 3"},
		{"stored", new(bitWriter).put(1, 8).put(1|0xfffe<<16|'a'<<32, 40), "a"},
		{"stored, other lengths", new(bitWriter).put(1, 8).put(1|0xffff<<16, 32), "lengths of a stored block"},
	} {
		got, err := readAll(NewReader(), tt.w.b)
		var corrupt Corrupt
		switch {
		case err == nil && string(got) == tt.want:
		case errors.As(err, &corrupt) && strings.Contains(err.Error(), tt.want) && len(tt.want) > 5:
		default:
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// verdicts is a program for Python that says what zlib makes of streams, each with its length before it.
const verdicts = `
import struct, sys, zlib
while head := sys.stdin.buffer.read(4):
    data = sys.stdin.buffer.read(*struct.unpack("<I", head))
    z = zlib.decompressobj(-15)
    try:
        plain = z.decompress(data)
        print("whole" if z.eof else "cut", len(data) - len(z.unused_data), zlib.crc32(plain))
    except zlib.error:
        print("corrupt")
`

// What zlib takes is taken, and nothing else.
func TestLikeZlib(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		skip.Without(t, "python3: %v", err)
	}
	z := NewReader()
	var input bytes.Buffer
	var want strings.Builder
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 6))
		data := random(r)
		if seed%4 == 0 {
			_, data = stream(t, r, 3000)
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		binary.Write(&input, binary.LittleEndian, uint32(len(data)))
		input.Write(data)
		in := bytes.NewReader(data)
		br := bufio.NewReader(in)
		z.Reset(br, 0, nil)
		switch plain, err := io.ReadAll(z); err {
		case nil:
			fmt.Fprintln(&want, "whole", len(data)-in.Len()-br.Buffered(), crc32.ChecksumIEEE(plain))
		case io.ErrUnexpectedEOF:
			fmt.Fprintln(&want, "cut", len(data), crc32.ChecksumIEEE(plain))
		default:
			fmt.Fprintf(&want, "corrupt: %v\n", err)
		}
	}
	cmd := exec.Command(python, "-c", verdicts)
	cmd.Stdin = &input
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	ours, zlibs := strings.Split(want.String(), "\n"), strings.Split(string(out), "\n")
	if len(ours) != len(zlibs) {
		t.Fatalf("%d verdicts, want %d", len(zlibs), len(ours))
	}
	kinds := make(map[string]int)
	for seed, verdict := range ours {
		// If there is no code for lengths of codes, zlib reads them all before it says so.
		early := strings.HasSuffix(verdict, "wrong code for lengths of codes") && strings.HasPrefix(zlibs[seed], "cut ")
		verdict, _, _ = strings.Cut(verdict, ":")
		if verdict != zlibs[seed] && !early {
			t.Errorf("seed %d: %q, zlib says %q", seed, verdict, zlibs[seed])
		}
		kind, _, _ := strings.Cut(verdict, " ")
		kinds[kind]++
	}
	for _, kind := range []string{"whole", "cut", "corrupt"} {
		if kinds[kind] < 50 {
			t.Errorf("only %d streams are %s", kinds[kind], kind)
		}
	}
}

// Nothing is written after the buffer.
func TestBounds(t *testing.T) {
	after := bytes.Repeat([]byte{0xa5}, 1000)
	memory := append(make([]byte, bufferSize), after...)
	z := NewReader()
	z.buf = memory[:bufferSize:bufferSize]
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 11))
		data := random(r)
		if seed%2 == 0 {
			_, data = stream(t, r, 300_000) // twice the buffer, and more
		}
		z.Reset(bufio.NewReader(bytes.NewReader(data)), 0, nil)
		for {
			if _, err := z.Next(1 << 20); err != nil {
				break
			}
		}
		if !bytes.Equal(memory[bufferSize:], after) {
			t.Fatalf("seed %d: bytes after the buffer are written", seed)
		}
	}
}

// Nothing is allocated but what NewReader does.
func TestAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	_, data := stream(t, r, 300_000)
	in := bytes.NewReader(nil)
	br := bufio.NewReader(in)
	z := NewReader()
	z.KeepCopies()
	window, buf := make([]byte, WindowSize), make([]byte, 50_000)
	for _, data := range [][]byte{data, data[:1000], random(r)} {
		if n := testing.AllocsPerRun(10, func() {
			in.Reset(data)
			br.Reset(in)
			z.Reset(br, 0, window)
			for range 3 {
				z.Next(1000)
			}
			for {
				if _, err := z.Read(buf); err != nil {
					break
				}
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// A Reader returns what it has before it waits for input, and an error of the input as it is.
func TestInput(t *testing.T) {
	plain, data := stream(t, rand.New(rand.NewPCG(1, 8)), 10_000)
	broken := errors.New("broken network")
	for n := range 300 {
		in := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
		z := NewReader()
		z.Reset(bufio.NewReader(in), 0, nil)
		got, err := io.ReadAll(z)
		if err != broken || !bytes.HasPrefix(plain, got) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if _, again := z.Next(1); again != err {
			t.Fatalf("%d bytes: then %v", n, again)
		}
		// What it returns before the error is all that a stream that ends there has.
		if want, _ := readAll(z, data[:n]); len(got) != len(want) {
			t.Fatalf("%d bytes: %d plain ones, want %d", n, len(got), len(want))
		}
	}
	if _, err := NewReader().Next(1); err == nil {
		t.Error("a Reader without input reads")
	}
}
