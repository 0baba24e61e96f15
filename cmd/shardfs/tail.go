package main

import "io"

// tail passes plain bytes on to an encoder and keeps those that it has not written yet: it holds back what does not fill a
// block, and must not be made to write that, or else the output would depend on when it was.
type tail struct {
	w       io.Writer
	written func() int64 // plain bytes that can be decoded from what the encoder has written
	kept    []byte
	end     int64 // of all bytes
}

func (t *tail) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.end += int64(n)
	t.kept = append(t.kept, p[:n]...)
	t.unwritten()
	return n, err
}

// unwritten returns the last bytes, those that the encoder has not written; nil for an output that is not compressed.
func (t *tail) unwritten() []byte {
	if t == nil {
		return nil
	}
	if n := t.end - t.written(); n < int64(len(t.kept)) {
		t.kept = append(t.kept[:0], t.kept[int64(len(t.kept))-n:]...)
	}
	return t.kept
}
