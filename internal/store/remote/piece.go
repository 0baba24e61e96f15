package remote

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

const (
	// partSize is the size of the first parts of an upload. It is doubled after each partsOfSize parts, so that
	// maxParts hold more than 8 TB.
	partSize    = 16 << 20
	partsOfSize = 1000

	// maxParts is how many parts the stores allow.
	maxParts = 10_000

	// inFlight is how many parts of an object are in memory, or in files, until the store has acknowledged them. Of several
	// objects there are fewer in memory.
	inFlight = 4

	// inMemory is the size of the largest part that is kept in memory.
	inMemory = 16 << 20
)

// sizeOfPart returns the size of a part by its number, which counts from 1.
func sizeOfPart(number int) int64 { return partSize << ((number - 1) / partsOfSize) }

// piece is a part of an object that is being filled, or kept until the store has it. Large ones are kept in a file.
type piece struct {
	size   int64 // at most
	n      int64
	sum    uint32 // CRC-32C so far
	memory []byte
	turn   chan struct{} // see memory; nil for a piece in a file
	file   *os.File
	dir    string // of the file, for messages
	at     int64  // in the file
	shared bool   // the file is not the piece's own
}

// newFilePiece returns an empty piece in a file of its own.
func newFilePiece(size int64) (*piece, error) {
	f, err := atomicfile.Unnamed("")
	return &piece{size: size, file: f, dir: os.TempDir()}, err
}

func (p *piece) full() bool { return p.n == p.size }

// write adds as many bytes as there is room for, and returns how many.
func (p *piece) write(b []byte) (int, error) {
	b = b[:min(int64(len(b)), p.size-p.n)]
	if p.file != nil {
		n, err := p.file.WriteAt(b, p.at+p.n)
		b = b[:n]
		if err != nil {
			return n, fmt.Errorf("a part of it in %s: %w", p.dir, bare(err))
		}
	} else {
		p.reserve(len(b))
		p.memory = append(p.memory, b...)
	}
	p.n += int64(len(b))
	p.sum = crc32.Update(p.sum, castagnoli(), b)
	return len(b), nil
}

// reserve makes room in memory for n more bytes: small objects take little, and the largest piece no more than its size.
func (p *piece) reserve(n int) {
	if need := len(p.memory) + n; need > cap(p.memory) {
		grown := make([]byte, len(p.memory), min(max(2*cap(p.memory), need, 256<<10), int(p.size)))
		copy(grown, p.memory)
		p.memory = grown
	}
}

// content returns the bytes so far.
func (p *piece) content() *Content {
	if p.file != nil {
		return &Content{io.NewSectionReader(p.file, p.at, p.n), p.n, p.sum}
	}
	return &Content{bytes.NewReader(p.memory), p.n, p.sum}
}

// close closes the piece's own file, if it has one.
func (p *piece) close() {
	if p.file != nil && !p.shared {
		p.file.Close()
	}
}

// bare returns an error of a file without its name, which says nothing.
func bare(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}
