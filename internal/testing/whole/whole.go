// Package whole reads all of a large content in tests. io.ReadAll lets a slice grow, and copies what it has again and again:
// the race detector, which notes each of these bytes, makes most of the work of a test of that.
package whole

import (
	"bytes"
	"io"
)

// Read reads all of r. Size is how many bytes there probably are; negative if that is not known.
func Read(r io.Reader, size int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, max(0, size)+bytes.MinRead))
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}
