package pack

import (
	"bytes"
	"cmp"
	"io"

	"github.com/shardfs/shardfs/index"
)

// CopyData writes content of a given size to an empty file, through buf. Data returns the first run of bytes that ends after
// an offset, as index.Index.Data does; between these runs the file gets holes.
func CopyData(
	f interface {
		io.WriterAt
		Truncate(size int64) error
	},
	content io.ReaderAt, size int64, data func(off int64) (index.Extent, bool), buf []byte,
) error {
	at := int64(0)
	for run, ok := data(at); ok; run, ok = data(at) {
		at = run.Off
		for end := run.Off + run.Len; at < end; {
			p := buf[:min(int64(len(buf)), end-at)]
			n, err := content.ReadAt(p, at)
			if n < len(p) {
				return cmp.Or(noEOF(err), io.ErrUnexpectedEOF)
			}
			if _, err := f.WriteAt(p, at); err != nil {
				return err
			}
			at += int64(n)
		}
	}
	if at < size {
		return f.Truncate(size)
	}
	return nil
}

// noEOF returns an error that is not the end of the input.
func noEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// SameContent reports whether a file has the bytes of the member in a row. A file that cannot be read has not; an error
// is one of reading the shard.
func SameContent(b Base, row int, file DirFile) (bool, error) {
	member, err := b.Index.Open(row, b.Plain)
	if err != nil {
		return false, err
	}
	f, err := file.Open()
	if err != nil {
		return false, nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != member.Size() {
		return false, nil
	}
	const piece = 64 << 10
	buf := make([]byte, 2*piece)
	for {
		n, err := io.ReadFull(member, buf[:piece])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, err
		}
		if n == 0 {
			return true, nil
		}
		if _, err := io.ReadFull(f, buf[piece:piece+n]); err != nil || !bytes.Equal(buf[:n], buf[piece:piece+n]) {
			return false, nil
		}
	}
}
