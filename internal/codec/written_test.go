package codec

import (
	"bytes"
	"io"
	"sync"
	"testing"
)

type progressWriter interface {
	io.WriteCloser
	Written() int64
}

// The bytes that Written counts can be decoded at that moment.
func TestWritten(t *testing.T) {
	plain := sampleTar(t, 5<<20)
	for _, tt := range []struct {
		format Format
		create func(io.Writer) (progressWriter, error)
	}{
		{Gzip, func(w io.Writer) (progressWriter, error) {
			return newGzipWriter(w, 1, 2)
		}},
		{Zstd, func(w io.Writer) (progressWriter, error) {
			return newZstdWriter(w, 1, 2)
		}},
	} {
		t.Run(tt.format.String(), func(t *testing.T) {
			var out lockedBuffer
			w, err := tt.create(&out)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			checked := int64(0)
			for n := 0; n < len(plain); n += 100_000 {
				if _, err := w.Write(plain[n:min(n+100_000, len(plain))]); err != nil {
					t.Fatal(err)
				}
				written := w.Written()
				if written == checked {
					continue
				}
				checked = written
				r, err := NewReader(tt.format, bytes.NewReader(out.copy()), Options{})
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, written)
				if _, err := io.ReadFull(r, got); err != nil {
					t.Fatalf("%d bytes written: %v", written, err)
				}
				same(t, got, plain[:written])
			}
			if checked == 0 {
				t.Error("nothing was ever written")
			}
		})
	}
}

// lockedBuffer is a bytes.Buffer for a writer and a reader.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) copy() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}
