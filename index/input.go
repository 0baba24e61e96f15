package index

import "io"

// Read-ahead in bytes. A run of small members is best read in large pieces. After a large member was skipped, one page
// has the next few headers, and little is read in vain.
const (
	minChunk = 4 << 10
	maxChunk = 256 << 10
)

// input reads blocks of a tar and skips others.
type input struct {
	r      io.Reader
	seeker io.Seeker // nil: r can only be read
	length int64     // size of seeker in bytes; -1 if it is not known
	offset int64     // offset of the next block
	buf    []byte    // bytes that have been read, from offset on
	store  []byte    // memory of which buf is a part
	chunk  int       // how many bytes to read next
	keep   bool      // append blocks to kept
	kept   []byte
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

// block returns the next 512 bytes, valid until the next call. The error is io.EOF if there are none, and
// io.ErrUnexpectedEOF if there are fewer.
func (in *input) block() (block, error) {
	if len(in.buf) < BlockSize {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	b := in.buf[:BlockSize]
	in.buf = in.buf[BlockSize:]
	in.offset += BlockSize
	if in.keep {
		in.kept = append(in.kept, b...)
	}
	return b, nil
}

// fill appends the next chunk to the rest of the last one.
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

// skip skips n bytes. It returns io.ErrUnexpectedEOF if there are fewer.
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
		// The rest may be shorter than a block and still be enough.
		if err := in.fill(); err != nil && (err != io.ErrUnexpectedEOF || n > int64(len(in.buf))) {
			return unexpected(err)
		}
	}
	in.buf = in.buf[n:]
	in.offset += n
	return nil
}

// unexpected returns err, but io.ErrUnexpectedEOF for io.EOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// size returns the size of the input in bytes, or as far as it is known.
func (in *input) size() int64 {
	if in.seeker != nil {
		return in.length
	}
	return in.offset + int64(len(in.buf))
}

// contentReader reads the next bytes of an input, up to left of them.
type contentReader struct {
	in   *input
	left int64
}

func (r *contentReader) Read(p []byte) (int, error) {
	in := r.in
	if r.left == 0 {
		return 0, io.EOF
	}
	if len(in.buf) == 0 {
		if err := in.fill(); err != nil && len(in.buf) == 0 {
			return 0, unexpected(err)
		}
	}
	n := copy(p[:min(int64(len(p)), r.left)], in.buf)
	in.buf = in.buf[n:]
	in.offset += int64(n)
	r.left -= int64(n)
	return n, nil
}
