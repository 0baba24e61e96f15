package output

import "io"

// unwritten passes plain bytes on to an encoder and keeps those that the encoder has not written yet. An encoder holds
// back what does not fill a block. The encoder must not be flushed, because the output would then depend on when that
// happened.
type unwritten struct {
	w       io.Writer
	written func() int64 // plain bytes that can be decoded from what the encoder has written
	held    []byte
	end     int64 // how many bytes were passed on
}

func (u *unwritten) Write(p []byte) (int, error) {
	n, err := u.w.Write(p)
	u.end += int64(n)
	u.held = append(u.held, p[:n]...)
	u.bytes()
	return n, err
}

// bytes returns the bytes that the encoder has not written; nil if u is nil.
func (u *unwritten) bytes() []byte {
	if u == nil {
		return nil
	}
	if n := u.end - u.written(); n < int64(len(u.held)) {
		u.held = append(u.held[:0], u.held[int64(len(u.held))-n:]...)
	}
	return u.held
}
