package index

import "io"

// Read-ahead in bytes. A run of small members is best read in large pieces. After a large member that was skipped, a
// piece the size of a page holds the next few headers, and little is copied for nothing.
const (
	minChunk = 4 << 10
	maxChunk = 256 << 10
)

// input reads blocks of a tar and skips others.
type input struct {
	r      io.Reader
	seeker io.Seeker // nil: r can only be read
	length int64     // bytes that seeker has; -1 when that is not known
	offset int64     // of the next block
	buf    []byte    // the bytes from offset on that have been read
	store  []byte    // the memory that buf is a part of
	chunk  int       // how much to read next
}

func newInput(r io.Reader) input {
	in := input{r: r, length: -1, store: make([]byte, maxChunk), chunk: minChunk}
	if s, ok := r.(io.Seeker); ok {
		if start, err := s.Seek(0, io.SeekCurrent); err == nil {
			if end, err := s.Seek(0, io.SeekEnd); err == nil {
				if _, err := s.Seek(start, io.SeekStart); err == nil {
					in.seeker, in.length = s, end-start
				}
			}
		}
	}
	return in
}

// block returns the next 512 bytes, valid until the next call. It returns io.EOF when there are none, and
// io.ErrUnexpectedEOF when there are fewer.
func (in *input) block() (block, error) {
	if len(in.buf) < BlockSize {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	b := in.buf[:BlockSize]
	in.buf = in.buf[BlockSize:]
	in.offset += BlockSize
	return b, nil
}

// fill appends the next chunk to what is left of the last one.
func (in *input) fill() error {
	n := copy(in.store, in.buf)
	m, err := io.ReadAtLeast(in.r, in.store[n:max(in.chunk, n+BlockSize)], BlockSize-n)
	in.buf = in.store[:n+m]
	in.chunk = min(2*in.chunk, maxChunk)
	if err == io.EOF && n > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skip passes over n bytes. It returns io.ErrUnexpectedEOF when there are fewer.
func (in *input) skip(n int64) error {
	if in.seeker != nil && n > in.length-in.offset {
		return io.ErrUnexpectedEOF
	}
	if in.seeker != nil && n > int64(len(in.buf)+in.chunk) {
		if _, err := in.seeker.Seek(n-int64(len(in.buf)), io.SeekCurrent); err != nil {
			return err
		}
		in.buf = nil
		in.offset += n
		in.chunk = minChunk
		return nil
	}
	for n > int64(len(in.buf)) {
		n -= int64(len(in.buf))
		in.offset += int64(len(in.buf))
		in.buf = nil
		// What is left may be less than a block, and enough.
		if err := in.fill(); err != nil && (err != io.ErrUnexpectedEOF || n > int64(len(in.buf))) {
			return unexpected(err)
		}
	}
	in.buf = in.buf[n:]
	in.offset += n
	return nil
}

// unexpected returns err, and io.ErrUnexpectedEOF for io.EOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// size returns how many bytes there are, as far as that is known.
func (in *input) size() int64 {
	if in.seeker != nil {
		return in.length
	}
	return in.offset + int64(len(in.buf))
}
