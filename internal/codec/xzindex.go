package codec

import (
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
)

// xzIndex identifies the index of a stream, without the records.
type xzIndex struct {
	count uint64 // of blocks
	sum   uint64 // CRC64 of their sizes
}

// add appends a block.
func (x *xzIndex) add(unpadded, plain uint64) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], unpadded)
	binary.LittleEndian.PutUint64(b[8:], plain)
	x.count++
	x.sum = crc64.Update(x.sum, crc64.MakeTable(crc64.ECMA), b[:])
}

// readXZIndex reads an index and returns its size in bytes.
func readXZIndex(in *input) (x xzIndex, size int, err error) {
	r := xzIndexReader{in: in}
	r.byte() // the indicator of an index
	count := r.uvarint()
	for x.count < count && r.err == nil {
		unpadded, plain := r.uvarint(), r.uvarint()
		x.add(unpadded, plain)
	}
	for r.size%4 != 0 && r.err == nil {
		if r.byte() != 0 {
			return x, 0, damaged("padding of an xz index is not zero")
		}
	}
	if r.err != nil {
		return x, 0, r.err
	}
	sum, err := in.br.Peek(4)
	if err != nil {
		return x, 0, err
	}
	if binary.LittleEndian.Uint32(sum) != r.sum {
		return x, 0, damaged("wrong CRC32 of an xz index")
	}
	_, err = in.br.Discard(4)
	return x, r.size + 4, err
}

// xzIndexReader reads bytes and computes their checksum. After an error, which it keeps, it returns zeros.
type xzIndexReader struct {
	in   *input
	size int
	sum  uint32 // CRC32
	err  error
}

func (r *xzIndexReader) byte() byte {
	if r.err != nil {
		return 0
	}
	b, err := r.in.br.ReadByte()
	if r.err = err; err == nil {
		r.size++
		r.sum = crc32.Update(r.sum, crc32.IEEETable, []byte{b})
	}
	return b
}

// uvarint reads a number of up to 63 bits.
func (r *xzIndexReader) uvarint() (x uint64) {
	for shift := 0; shift < 63; shift += 7 {
		b := r.byte()
		x |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return x
		}
	}
	r.err = damaged("number in an xz index is too long")
	return 0
}

// appendXZIndex appends the index of one block.
func appendXZIndex(b []byte, unpadded, plain uint64) []byte {
	start := len(b)
	b = append(b, 0, 1)
	b = binary.AppendUvarint(b, unpadded)
	b = binary.AppendUvarint(b, plain)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

// appendXZHeader appends the header of a stream whose blocks have a check.
func appendXZHeader(b []byte, check int) []byte {
	b = append(b, xzMagic...)
	flags := []byte{0, xzChecks[check].id}
	b = append(b, flags...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(flags))
}

// appendXZFooter appends the footer of a stream whose index takes size bytes.
func appendXZFooter(b []byte, size, check int) []byte {
	end := binary.LittleEndian.AppendUint32(nil, uint32(size/4-1))
	end = append(end, 0, xzChecks[check].id)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(end))
	b = append(b, end...)
	return append(b, xzFooterEnd...)
}
