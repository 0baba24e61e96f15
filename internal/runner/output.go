package runner

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

// inMemory is how many bytes of a command's output are kept in memory; longer output is moved to a file.
const inMemory = 1 << 20

// Output is everything that a command wrote to a stream.
type Output struct {
	dir  string   // directory for the file
	mem  []byte   // the bytes, up to inMemory
	file *os.File // all bytes, if there are more; it has no name, so closing it removes it
	size int64
}

// Len returns the number of bytes.
func (o *Output) Len() int64 { return o.size }

// WriteTo writes all the bytes to w. It may be called more than once.
func (o *Output) WriteTo(w io.Writer) (int64, error) {
	if o.size == 0 {
		return 0, nil // no empty write
	}
	if o.file == nil {
		n, err := w.Write(o.mem)
		return int64(n), err
	}
	return io.Copy(w, io.NewSectionReader(o.file, 0, o.size))
}

// append adds bytes at the end. After an error the bytes before p are still there.
func (o *Output) append(p []byte) error {
	if o.file == nil && o.size+int64(len(p)) > inMemory {
		if err := o.spill(); err != nil {
			return err
		}
	}
	if o.file == nil {
		o.mem = append(o.mem, p...)
	} else if _, err := o.file.Write(p); err != nil {
		return err
	}
	o.size += int64(len(p))
	return nil
}

// spill moves the bytes from memory to a file.
func (o *Output) spill() error {
	f, err := atomicfile.Unnamed(o.dir)
	if err != nil {
		return err
	}
	if _, err := f.Write(o.mem); err != nil {
		f.Close()
		return err
	}
	o.file, o.mem = f, nil
	return nil
}

// close frees the bytes.
func (o *Output) close() {
	if o.file != nil {
		o.file.Close()
	}
	*o = Output{dir: o.dir}
}

// Open returns the bytes as a file with the given name and the current time.
func (o *Output) Open(name string) fs.File {
	f := &outputFile{name: name, size: o.size, made: time.Now(), Reader: bytes.NewReader(o.mem)}
	if o.file != nil {
		f.Reader = io.NewSectionReader(o.file, 0, o.size)
	}
	return f
}

// outputFile is an Output as a file, and its own FileInfo.
type outputFile struct {
	io.Reader
	name string
	size int64
	made time.Time
}

func (f *outputFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *outputFile) Close() error               { return nil }
func (f *outputFile) Name() string               { return f.name }
func (f *outputFile) Size() int64                { return f.size }
func (f *outputFile) Mode() fs.FileMode          { return 0o644 }
func (f *outputFile) ModTime() time.Time         { return f.made }
func (f *outputFile) IsDir() bool                { return false }
func (f *outputFile) Sys() any                   { return nil }
