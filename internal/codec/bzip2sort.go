package codec

import (
	"hash/crc32"
	"math/bits"
)

// bzip2Row is a row of the sorted rotations of a block: from the lowest bit on, the two bytes that come after it, in 8
// bits each, and the rows of these bytes, in 24 bits each.
type bzip2Row uint64

// invert returns the bytes of a block in their order, from the last column of its sorted rotations.
//
// To follow the rows is to read all over the memory, where each read waits for the one before. So first each row gets
// what its next row has, which are reads that wait for none, and then only every other row is visited.
func (k *bzip2Block) invert() []byte {
	n := len(k.column)
	if cap(k.rows) < n {
		k.rows = make([]bzip2Row, 1<<bits.Len(uint(n-1)))
	}
	rows := k.rows[:n]
	var starts [256]uint32 // of the rows that begin with each byte, then of those not filled yet
	start := uint32(0)
	for c, count := range k.counts {
		starts[c] = start
		start += count
	}
	for i, c := range k.column {
		rows[starts[c]] = bzip2Row(i)<<16 | bzip2Row(c)
		starts[c]++
	}
	for i, row := range rows {
		next := rows[row>>16]
		rows[i] = row | next>>16<<40 | next&0xff<<8
	}

	out, at := k.column, k.origin
	for len(out) > 1 {
		row := rows[at]
		out[0], out[1] = byte(row), byte(row>>8)
		out, at = out[2:], int(row>>40)
	}
	if len(out) > 0 {
		out[0] = byte(rows[at])
	}
	return k.column
}

// bzip2Runs expands the short form of runs: after four equal bytes, a byte says how many more there are. It computes
// the checksum of the plain bytes.
type bzip2Runs struct {
	in     []byte // not read yet
	single int    // how many bytes of in are plain ones
	counts bool   // the byte after them is a count
	repeat int    // how many times last comes next
	last   byte
	crc    uint32 // with the bits of bytes in the other order, for which crc32 is fast
	mirror [512]byte
}

// start makes r expand in.
func (r *bzip2Runs) start(in []byte) {
	r.in, r.single, r.counts, r.repeat, r.crc = in, 0, false, 0, 0
}

// sum returns the checksum of the bytes that read has returned.
func (r *bzip2Runs) sum() uint32 { return bits.Reverse32(r.crc) }

// read returns the next plain bytes; fewer than asked only at the end of the block.
func (r *bzip2Runs) read(p []byte) int {
	n := 0
	for n < len(p) {
		switch {
		case r.repeat > 0:
			m := min(r.repeat, len(p)-n)
			for i := range p[n : n+m] {
				p[n+i] = r.last
			}
			r.repeat -= m
			n += m
		case r.single > 0:
			m := copy(p[n:], r.in[:r.single])
			r.last = r.in[m-1]
			r.in, r.single = r.in[m:], r.single-m
			n += m
		case len(r.in) == 0:
			r.add(p[:n])
			return n
		case r.counts:
			r.repeat, r.counts = int(r.in[0]), false
			r.in = r.in[1:]
		default:
			r.single, r.counts = fourEqual(r.in)
		}
	}
	r.add(p)
	return n
}

// fourEqual returns where the first four equal bytes of b end; if there are none, the length of b and false.
func fourEqual(b []byte) (end int, ok bool) {
	for i := 3; i < len(b); i += 3 {
		// Each run of four has two bytes that are compared here.
		if b[i] != b[i-1] {
			continue
		}
		from := i - 1
		for from > 0 && b[from-1] == b[i] && i-from < 3 {
			from--
		}
		to := i
		for to-from < 3 && to+1 < len(b) && b[to+1] == b[i] {
			to++
		}
		if to-from == 3 {
			return to + 1, true
		}
	}
	return len(b), false
}

// add adds plain bytes to the checksum.
func (r *bzip2Runs) add(p []byte) {
	for len(p) > 0 {
		n := copy(r.mirror[:], p)
		for i, c := range r.mirror[:n] {
			r.mirror[i] = bits.Reverse8(c)
		}
		r.crc = crc32.Update(r.crc, crc32.IEEETable, r.mirror[:n])
		p = p[n:]
	}
}
