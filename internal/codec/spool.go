package codec

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/shardfs/shardfs/internal/lru"
)

// The size of the pieces of plain bytes in a Spool, and how many of them it caches: 4 MiB.
const (
	spoolPiece = 256 << 10
	spoolCache = 16
)

// Spool makes a stream of plain bytes readable at any offset by keeping it in a file. It is for shards with hardly
// any checkpoints: those of one zstd frame, one xz block, or linked lz4 blocks.
//
// The stream is read once, and only as far as reads have needed it. It is read in the background, so that an
// interrupted read ends at once and does not affect other reads. Or else the spool is filled by somebody who reads the
// stream anyway, see Tee, and reads wait for that. The file holds pieces of 256 KiB, each compressed by zstd at its fastest
// level, or not at all if that does not make it smaller. A Spool is safe for concurrent use.
type Spool struct {
	file spoolFile
	zip  *zstd.Encoder // used by the goroutine that reads the stream
	raw  []byte        // likewise
	part []byte        // likewise, the beginning of the next piece, if the spool is filled

	unzip *zstd.Decoder

	mu      sync.Mutex // guards all below
	moved   sync.Cond  // signalled when reading is reset
	plain   io.Reader  // not guarded while reading is set; nil if the spool is filled
	reading bool       // one goroutine reads plain
	pieces  []spooled
	end     int64 // offset in the file after the last piece
	size    int64 // number of plain bytes in pieces
	err     error // why there are no more; io.EOF at the end of the stream
	closed  bool
	cache   *lru.Cache[int, *decoded] // by number of the piece

	running sync.WaitGroup // reads of the stream and of the file
}

// spoolFile is the file of a Spool.
type spoolFile interface {
	io.ReaderAt
	io.WriterAt
}

// spooled is a piece in the file. It holds spoolPiece plain bytes; the last one may hold fewer.
type spooled struct {
	off  int64
	size uint32 // size in the file; the number of plain bytes if it is not compressed
	crc  uint32 // CRC-32 (IEEE) of the plain bytes
}

// decoded is a cached piece, which may still be being decoded.
type decoded struct {
	ready chan struct{} // closed when data and err are set
	data  []byte        // never written again
	err   error
}

// NewSpool returns a Spool of plain that writes to file, which must be empty. Until Close has returned the caller must
// not use them; then it must close them. If plain is nil the caller fills the spool, see Tee.
func NewSpool(plain io.Reader, file spoolFile) (*Spool, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(spoolPiece), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, err
	}
	unzip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(spoolPiece))
	if err != nil {
		return nil, err
	}
	s := &Spool{plain: plain, file: file, zip: zip, unzip: unzip}
	s.cache = lru.New[int, *decoded](spoolCache, nil, nil)
	s.moved.L = &s.mu
	return s, nil
}

// ReadAt reads plain bytes, and waits until the stream has returned them; if ctx ends first, it returns the cause. If
// the stream or the file fails, earlier bytes can still be read; reads of later bytes return the error.
func (s *Spool) ReadAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read of plain byte %d", off)
	}
	for n < len(p) {
		at := off + int64(n)
		data, err := s.piece(ctx, at)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], data[at%spoolPiece:])
	}
	return n, nil
}

// piece returns the plain bytes of the piece with the plain byte at.
func (s *Spool) piece(ctx context.Context, at int64) ([]byte, error) {
	s.mu.Lock()
	if s.size <= at && ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.moved.Broadcast()
		})()
	}
	for s.size <= at && s.err == nil && !s.closed && ctx.Err() == nil {
		if !s.reading && s.plain != nil {
			s.reading = true
			s.running.Go(s.read)
		}
		s.moved.Wait()
	}
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil, fs.ErrClosed
	case s.size <= at && s.err == nil:
		s.mu.Unlock()
		return nil, context.Cause(ctx)
	case s.size <= at:
		s.mu.Unlock()
		return nil, s.err
	}
	i := int(at / spoolPiece)
	d, ok := s.cache.Get(i)
	if !ok {
		d = &decoded{ready: make(chan struct{})}
		s.cache.Add(i, d)
		from, size := s.pieces[i], min(spoolPiece, s.size-int64(i)*spoolPiece)
		s.running.Add(1)
		s.mu.Unlock()
		d.data, d.err = s.decode(from, int(size))
		close(d.ready)
		s.running.Done()
		return d.data, d.err
	}
	s.mu.Unlock()
	<-d.ready // does not take long: another goroutine is reading the spool file
	return d.data, d.err
}

// read reads a piece from the stream and writes it to the file. It is called with reading set, and resets it.
func (s *Spool) read() {
	data := make([]byte, spoolPiece)
	n, err := 0, error(nil)
	for n < len(data) && err == nil { // io.ReadFull would return io.ErrUnexpectedEOF for the end of the stream too
		var more int
		more, err = s.plain.Read(data[n:])
		n += more
	}
	s.add(data[:n], err)
}

// add writes a piece to the file, and resets reading. Err, if not nil, is why no more pieces follow.
func (s *Spool) add(data []byte, err error) {
	s.mu.Lock()
	at := s.end
	s.mu.Unlock()
	p, failed := s.write(data, at)

	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.moved.Broadcast()
	s.reading = false
	if failed != nil {
		s.err = failed
		return
	}
	s.err = err
	if len(data) == 0 {
		return
	}
	d := &decoded{ready: make(chan struct{}), data: data}
	close(d.ready)
	s.cache.Add(len(s.pieces), d)
	s.pieces = append(s.pieces, p)
	s.end += int64(p.size)
	s.size += int64(len(data))
}

// Tee returns a reader of the stream r that fills the spool with what it reads. A spool that cannot be written, as on a full
// disk, does not disturb it. If r is not read to its end, End must be called. Close must not be called while it is read.
func (s *Spool) Tee(r io.Reader) io.Reader { return &spoolTee{s, r} }

type spoolTee struct {
	s *Spool
	r io.Reader
}

// Read implements io.Reader.
func (t *spoolTee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.s.fill(p[:n])
	if err != nil {
		t.s.End(err)
	}
	return n, err
}

// fill appends plain bytes of the stream.
func (s *Spool) fill(p []byte) {
	for len(p) > 0 && !s.ended() {
		if s.part == nil {
			s.part = make([]byte, 0, spoolPiece)
		}
		n := min(len(p), spoolPiece-len(s.part))
		s.part = append(s.part, p[:n]...)
		p = p[n:]
		if len(s.part) == spoolPiece {
			s.add(s.part, nil)
			s.part = nil // the cache has it
		}
	}
}

// ended reports whether no more pieces follow.
func (s *Spool) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil || s.closed
}

// End tells a spool that is filled why no more bytes follow; the first call counts. Reads of later bytes return err.
func (s *Spool) End(err error) {
	if !s.ended() {
		s.add(s.part, err)
		s.part = nil
	}
}

// write writes a piece to the file at off.
func (s *Spool) write(data []byte, off int64) (spooled, error) {
	if len(data) == 0 {
		return spooled{}, nil
	}
	s.raw = s.zip.EncodeAll(data, s.raw[:0])
	out := s.raw
	if len(out) >= len(data) {
		out = data
	}
	if _, err := s.file.WriteAt(out, off); err != nil {
		return spooled{}, fmt.Errorf("spool plain bytes: %w", err)
	}
	return spooled{off: off, size: uint32(len(out)), crc: crc32.ChecksumIEEE(data)}, nil
}

// decode reads a piece of size plain bytes from the file.
func (s *Spool) decode(p spooled, size int) ([]byte, error) {
	data := make([]byte, p.size)
	_, err := s.file.ReadAt(data, p.off)
	if err == nil && len(data) < size {
		data, err = s.unzip.DecodeAll(data, make([]byte, 0, size))
	}
	if err == nil && (len(data) != size || crc32.ChecksumIEEE(data) != p.crc) {
		err = errors.New("not what was written")
	}
	if err != nil {
		return nil, fmt.Errorf("read spooled bytes: %w", err)
	}
	return data, nil
}

// Close makes all further reads fail with fs.ErrClosed and waits for those that are using the stream or the file. If
// the stream can block for long, the caller must make it return first.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.closed = true
	s.moved.Broadcast()
	s.mu.Unlock()
	s.running.Wait()
	s.cache.Clear()
	s.unzip.Close()
	return nil
}
