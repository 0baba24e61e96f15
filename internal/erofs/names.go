package erofs

import (
	"context"
	"io"
)

// Names is an image as a file to serve. It is safe for concurrent use.
type Names struct{ m *Image }

// Names returns the image as a file to serve.
func (m *Image) Names() *Names { return &Names{m: m} }

// Size returns the size of the image in bytes.
func (n *Names) Size() int64 { return n.m.Size() }

// ReadAt reads the image. At its end it returns fewer bytes and no error. The error is view.ErrShard or ErrUnsuited, or
// EINTR if ctx ended first.
func (n *Names) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	read, err := n.m.readAt(ctx, p, off)
	if err == io.EOF {
		err = nil
	}
	return read, err
}
