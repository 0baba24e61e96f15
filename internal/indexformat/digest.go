package indexformat

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// span is a range of plain bytes.
type span struct{ offset, size int64 }

// digester computes the digests of a shard and of spans of it. It is a reader of the plain bytes, and hashes them when
// they are read.
type digester struct {
	r     io.Reader
	at    int64 // bytes read
	whole hash.Hash
	blob  hash.Hash // hash as a Git blob, with the size before the content

	next  func() (span, bool) // returns the next span; they are in order and do not overlap
	span  span
	more  bool // span is set
	piece hash.Hash
	sums  [][sha256.Size]byte // digests of the spans that have been read
}

func newDigester(plain io.ReaderAt, size int64, next func() (span, bool)) *digester {
	d := &digester{
		r:     io.NewSectionReader(plain, 0, size),
		whole: sha256.New(),
		blob:  sha1.New(),
		next:  next,
		piece: sha256.New(),
	}
	fmt.Fprintf(d.blob, "blob %d\x00", size)
	d.span, d.more = next()
	return d
}

// Read reads the shard's next bytes.
func (d *digester) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	p = p[:n]
	d.whole.Write(p)
	d.blob.Write(p)
	for d.more {
		end := d.span.offset + d.span.size
		from := min(max(d.span.offset-d.at, 0), int64(n))
		d.piece.Write(p[from:min(max(end-d.at, from), int64(n))])
		if end > d.at+int64(n) {
			break
		}
		d.sums = append(d.sums, [sha256.Size]byte(d.piece.Sum(nil)))
		d.piece.Reset()
		d.span, d.more = d.next()
	}
	d.at += int64(n)
	return n, err
}

// finish reads the rest of the shard.
func (d *digester) finish() error {
	_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{d}, make([]byte, 256<<10))
	if err == nil && d.more {
		return io.ErrUnexpectedEOF
	}
	return err
}
