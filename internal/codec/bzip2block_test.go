package codec

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// bzip2Made is a stream of level 1 with one block, as no tool writes it.
type bzip2Made struct {
	column   string   // the last column of the sorted rotations
	origin   uint64   // the row of the text
	random   uint64   // whether the block is randomized
	bytes    string   // those that occur, in order; they are all below 16 or all from 96 to 111
	lengths  []uint64 // of the code that is used
	unused   []uint64 // of the other one, which selector 1 selects
	codes    uint64   // the number of both
	groups   int      // number of selectors
	selector uint64   // place of the first one
	run      uint64   // if not 0, the block begins with a run of this many bytes
	sum      uint32   // what to change in the block's checksum
}

// bzip2Text returns a sound block of a text. Runs of four must be shortened in it already.
func bzip2Text(text string) bzip2Made {
	rows := make([]int, len(text))
	for i := range rows {
		rows[i] = i
	}
	slices.SortStableFunc(rows, func(a, b int) int { return strings.Compare(text[a:]+text[:a], text[b:]+text[:b]) })
	m := bzip2Made{codes: 2, groups: len(text)/50 + 1}
	for row, from := range rows {
		m.column += string(text[(from+len(text)-1)%len(text)])
		if from == 0 {
			m.origin = uint64(row)
		}
	}
	used := []byte(text)
	slices.Sort(used)
	m.bytes = string(slices.Compact(used))
	m.lengths = slices.Repeat([]uint64{5}, len(m.bytes)+2)
	m.unused = m.lengths
	return m
}

// symbols returns what the column is in symbols.
func (m bzip2Made) symbols() (list []int) {
	bytesList := []byte(m.bytes)
	digits := func(run uint64) {
		for ; run > 0; run = (run - 1) / 2 {
			list = append(list, int((run-1)%2))
		}
	}
	run := m.run
	for _, c := range []byte(m.column) {
		place := bytes.IndexByte(bytesList, c)
		if place == 0 {
			run++
			continue
		}
		digits(run)
		run, list = 0, append(list, place+1)
		copy(bytesList[1:], bytesList[:place])
		bytesList[0] = c
	}
	digits(run)
	return append(list, len(m.bytes)+1)
}

// stream returns the stream for plain bytes.
func (m bzip2Made) stream(plain string) []byte {
	var out []byte
	n := 0
	put := func(bits int, v uint64) {
		for bits--; bits >= 0; bits-- {
			if n%8 == 0 {
				out = append(out, 0)
			}
			out[n/8] |= byte(v>>bits&1) << (7 - n%8)
			n++
		}
	}
	crc := ^uint32(0)
	for _, c := range []byte(plain) {
		crc ^= uint32(c) << 24
		for range 8 {
			crc = crc<<1 ^ uint32(int32(crc)>>31)&0x04c11db7
		}
	}
	crc = ^crc ^ m.sum
	put(32, 0x425a6831)
	put(48, bzip2Begin)
	put(32, uint64(crc))
	put(1, m.random)
	put(24, m.origin)
	if m.bytes == "" {
		put(16, 0)
	} else {
		put(16, 1<<15>>(m.bytes[0]/16))
		ones := uint64(0)
		for _, c := range []byte(m.bytes) {
			ones |= 1 << 15 >> (c % 16)
		}
		put(16, ones)
	}
	put(3, m.codes)
	put(15, uint64(m.groups))
	for i := range m.groups {
		place := m.selector
		if i > 0 {
			place = 0
		}
		put(int(place)+1, 1<<(place+1)-2)
	}
	for _, lengths := range [][]uint64{m.lengths, m.unused} {
		put(5, lengths[0])
		last := lengths[0]
		for _, l := range lengths {
			for ; last < l; last++ {
				put(2, 2)
			}
			for ; last > l; last-- {
				put(2, 3)
			}
			put(1, 0)
		}
	}
	codes := canonical(m.lengths)
	for _, s := range m.symbols() {
		put(int(m.lengths[s]), codes[s])
	}
	put(48, bzip2End)
	put(32, uint64(crc))
	return out
}

// canonical returns the codes with these lengths.
func canonical(lengths []uint64) []uint64 {
	codes, code := make([]uint64, len(lengths)), uint64(0)
	for length := uint64(1); length <= 20; length++ {
		for s, l := range lengths {
			if l == length {
				codes[s] = code
				code++
			}
		}
		code <<= 1
	}
	return codes
}

// Blocks that no tool writes are read as bzip2 reads them.
func TestBzip2Made(t *testing.T) {
	letters := noise(120, 1)
	for i := range letters {
		letters[i] = '`' + letters[i]%16
	}
	long := string(letters)
	for _, tt := range []struct {
		name, text string
		change     func(*bzip2Made)
		plain      string
		want       error
		lax        bool // bzip2 refuses it
	}{
		{"sound", "bananabando", nil, "bananabando", nil, false},
		{"one byte", "a", nil, "a", nil, false},
		{"period", "abcabcabc", nil, "abcabcabc", nil, false},
		{"long", long, nil, long, nil, false},
		{"run", "\x01\x01\x01\x01\x03\x02", nil, "\x01\x01\x01\x01\x01\x01\x01\x02", nil, false},
		{"run of four", "\x01\x01\x01\x01\x00\x02", nil, "\x01\x01\x01\x01\x02", nil, false},
		{"run after run of four", "\x01\x01\x01\x01\x00\x01\x01\x01\x01\x02\x03", nil,
			strings.Repeat("\x01", 10) + "\x03", nil, false},
		{"run without count", "baaaa", nil, "baaaa", nil, true},
		{"open circle", "ab", func(m *bzip2Made) { m.column, m.origin = "bab", 0 }, "aba", nil, false},
		{"circle of one", "ab", func(m *bzip2Made) { m.column, m.origin = "aab", 1 }, "aaa", nil, false},
		{"origin behind the end", "abc", func(m *bzip2Made) { m.origin = 3 }, "", ErrDamaged, false},
		{"randomized", "abc", func(m *bzip2Made) { m.random = 1 }, "", ErrLimit, true},
		{"no bytes", "abc", func(m *bzip2Made) { m.bytes, m.column = "", "" }, "", ErrDamaged, false},
		{"no data", "abc", func(m *bzip2Made) { m.column, m.origin = "", 0 }, "", ErrDamaged, false},
		{"one code", "abc", func(m *bzip2Made) { m.codes = 1 }, "", ErrDamaged, false},
		{"seven codes", "abc", func(m *bzip2Made) { m.codes = 7 }, "", ErrDamaged, false},
		{"no selectors", "abc", func(m *bzip2Made) { m.groups = 0 }, "", ErrDamaged, false},
		{"few selectors", long, func(m *bzip2Made) { m.groups = 1 }, "", ErrDamaged, false},
		{"many selectors", "abc", func(m *bzip2Made) { m.groups = 1<<15 - 1 }, "abc", nil, false},
		{"selector of no code", "abc", func(m *bzip2Made) { m.selector = 2 }, "", ErrDamaged, false},
		{"length 0", "abc", func(m *bzip2Made) { m.unused = []uint64{1, 2, 3, 0, 1} }, "", ErrDamaged, false},
		{"length 21", "abc", func(m *bzip2Made) { m.unused = []uint64{21, 20, 3, 2, 1} }, "", ErrDamaged, false},
		{"longest codes", "abcabbac", func(m *bzip2Made) {
			m.lengths = []uint64{20, 20, 11, 10, 1}
		}, "abcabbac", nil, false},
		{"code with gaps", "abcabbac", func(m *bzip2Made) {
			m.lengths = []uint64{6, 7, 11, 12, 9}
		}, "abcabbac", nil, false},
		{"unused code, too full", "abc", func(m *bzip2Made) { m.unused = []uint64{1, 1, 1, 1, 1} }, "abc", nil, false},
		{"bits of no code", "abc", func(m *bzip2Made) {
			m.unused, m.selector = []uint64{20, 20, 20, 20, 20}, 1
		}, "", ErrDamaged, false},
		{"as long as the level", "a", func(m *bzip2Made) { m.run = 99_999; m.groups = 2 }, "a*", nil, false},
		{"longer than the level", "a", func(m *bzip2Made) { m.run = 100_000; m.groups = 2 }, "", ErrDamaged, false},
		{"longest run", "a", func(m *bzip2Made) { m.run = 1<<40 - 3; m.groups = 2 }, "", ErrDamaged, false},
		{"wrong checksum", "abc", func(m *bzip2Made) { m.sum = 1 << 31 }, "abc", ErrDamaged, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := bzip2Text(tt.text)
			if tt.change != nil {
				tt.change(&m)
			}
			if tt.plain == "a*" { // each fifth byte is a count of 'a' more
				tt.plain = strings.Repeat("a", 100_000/5*(4+'a'))
			}
			data := m.stream(tt.plain)
			got, _, _, err := unpack(Bzip2, data, front)
			if string(got) != tt.plain || !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%d bytes, %.40q, %v; want %d, %v", len(got), got, err, len(tt.plain), tt.want)
			}
			if _, err := exec.LookPath("bzip2"); err != nil {
				skip.Part(t, "bzip2")
				return
			}
			tool, ok := bzip2Tool(data)
			if ok != (tt.want == nil) && !tt.lax || ok && string(tool) != tt.plain {
				t.Errorf("bzip2 reads %d bytes, %.40q, %v", len(tool), tool, ok)
			}
		})
	}
}

// bzip2Tool returns what the tool decodes, and whether it finds no fault.
func bzip2Tool(data []byte) ([]byte, bool) {
	cmd := exec.Command("bzip2", "-dc")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	return out, err == nil
}

// A block is cut anywhere: the error is that of the input, and no more is read.
func TestBzip2CutBlock(t *testing.T) {
	data := bzip2Text("abbacabdda").stream("abbacabdda")
	for cut := range data {
		got, _, _, err := unpack(Bzip2, data[:cut], front)
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) > 0 && len(data)-cut > 11 {
			t.Errorf("cut at %d of %d: %q, %v", cut, len(data), got, err)
		}
	}
}

// Runs are found wherever they are.
func TestFourEqual(t *testing.T) {
	for before := range 8 {
		for run := range 9 {
			for after := range 5 {
				b := []byte("xyxyxyxy"[:before] + strings.Repeat("r", run) + "abcd"[:after])
				end, ok := fourEqual(b)
				if want := run >= 4; ok != want || ok && end != before+4 || !ok && end != len(b) {
					t.Errorf("%s: %d, %v", b, end, ok)
				}
			}
		}
	}
}

// The list of bytes moves a byte to the front from any place.
func TestBzip2List(t *testing.T) {
	var l bzip2List
	var want []byte
	for i := range 256 {
		want = append(want, byte(i))
	}
	l.front = 0x0706050403020100
	copy(l.rest[:], want[8:])
	for i := range 10_000 {
		place := i * i % 257 % 256
		c := want[place]
		copy(want[1:], want[:place])
		want[0] = c
		if got := l.take(uint(place)); got != c {
			t.Fatalf("take %d at place %d: %d, want %d", i, place, got, c)
		}
	}
}
