package codec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// newSpool returns a spool of r in a file of the test.
func newSpool(t testing.TB, r io.Reader) (*Spool, *os.File) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSpool(r, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		file.Close()
	})
	return s, file
}

// reader returns a reader of all plain bytes.
func (s *Spool) reader() io.Reader {
	return io.NewSectionReader(at(context.Background(), s), 0, math.MaxInt64)
}

// spooled returns how many plain bytes have been read from the stream, and whether those are all.
func (s *Spool) spooled() (size int64, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.err != nil
}

// spoolPlain is longer than the cache, and ends within a piece.
func spoolPlain() []byte {
	return slices.Concat(text(3<<20, 1), noise(2<<20, 2), make([]byte, 1<<20), text(100_000, 3))
}

// A pass and random reads share one reading of the stream.
func TestSpool(t *testing.T) {
	plain := spoolPlain()
	s, _ := newSpool(t, iotest.HalfReader(bytes.NewReader(plain)))
	var readers sync.WaitGroup
	for i := range uint64(4) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(i, 1))
			buf := make([]byte, 400_000)
			for range 50 {
				off := r.IntN(len(plain))
				n, err := s.ReadAt(t.Context(), buf[:r.IntN(len(buf))], int64(off))
				if !bytes.Equal(buf[:n], plain[off:off+n]) {
					t.Errorf("wrong bytes at %d", off)
				}
				if err != nil && (err != io.EOF || off+n != len(plain)) {
					t.Errorf("%d bytes at %d: %v", n, off, err)
				}
			}
		})
	}
	got, err := io.ReadAll(s.reader())
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	readers.Wait()
	if size, whole := s.spooled(); size != int64(len(plain)) || !whole {
		t.Errorf("size %d, %v", size, whole)
	}
	for _, off := range []int64{int64(len(plain)), int64(len(plain)) + 1, 1 << 60} {
		if n, err := s.ReadAt(t.Context(), make([]byte, 1), off); n != 0 || err != io.EOF {
			t.Errorf("%d bytes at %d: %v", n, off, err)
		}
	}
	if _, err := s.ReadAt(t.Context(), nil, -1); err == nil {
		t.Error("read before the front")
	}
}

// The stream is read no further than needed, and noise takes no more space than it has bytes.
func TestSpoolLazy(t *testing.T) {
	stream := bytes.NewReader(noise(10*spoolPiece, 1))
	s, file := newSpool(t, stream)
	if _, err := s.ReadAt(t.Context(), make([]byte, 10), spoolPiece+5); err != nil {
		t.Fatal(err)
	}
	if size, whole := s.spooled(); size != 2*spoolPiece || whole || stream.Len() != 8*spoolPiece {
		t.Errorf("size %d, %v; %d bytes left", size, whole, stream.Len())
	}
	if info, err := file.Stat(); err != nil || info.Size() != 2*spoolPiece {
		t.Errorf("file of %d bytes, %v", info.Size(), err)
	}
}

// Bytes before an error can always be read, and no others.
func TestSpoolStreamError(t *testing.T) {
	plain := text(300_000, 1)
	for _, want := range []error{errors.New("broken wire"), io.ErrUnexpectedEOF} {
		s, _ := newSpool(t, io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(want)))
		for range 2 {
			got := make([]byte, 400_000)
			if n, err := s.ReadAt(t.Context(), got, 0); n != len(plain) || err != want {
				t.Fatalf("%d bytes, %v", n, err)
			}
			same(t, got[:len(plain)], plain)
			if n, err := s.ReadAt(t.Context(), got[:100], 1000); n != 100 || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
		}
	}
}

// A full disk is an error of the read that needs space; what was written before can still be read.
func TestSpoolDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		skip.Without(t, "/dev/full")
	}
	defer full.Close()
	plain := noise(10*spoolPiece, 1)
	s, file := newSpool(t, bytes.NewReader(plain))
	got := make([]byte, len(plain))
	if _, err := s.ReadAt(t.Context(), got[:spoolPiece], 0); err != nil {
		t.Fatal(err)
	}
	s.file = full
	if n, err := s.ReadAt(t.Context(), got, 0); n != spoolPiece || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	s.file = file
	if n, err := s.ReadAt(t.Context(), got, 0); n != spoolPiece || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	same(t, got[:spoolPiece], plain[:spoolPiece])
}

// A spool that is filled by a pass has what that has read, and its readers wait for it.
func TestSpoolTee(t *testing.T) {
	plain := spoolPlain()
	broken := errors.New("broken wire")
	for _, tt := range []struct {
		name   string
		stream io.Reader
		want   error
	}{
		{"whole", bytes.NewReader(plain), io.EOF},
		{"cut", io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(broken)), broken},
		{"given up", io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(errors.New("not read"))), errClosed},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := newSpool(t, nil)
			var readers sync.WaitGroup
			for i := range 3 {
				readers.Go(func() {
					off := i * len(plain) / 3
					buf := make([]byte, len(plain))
					n, err := s.ReadAt(t.Context(), buf, int64(off))
					if !bytes.Equal(buf[:n], plain[off:]) || i > 0 && err != tt.want || i == 0 && err != nil {
						t.Errorf("%s: %d bytes at %d, %v", tt.name, n, off, err)
					}
				})
			}
			synctest.Wait()
			r := s.Tee(iotest.HalfReader(tt.stream))
			got := make([]byte, len(plain))
			if _, err := io.ReadFull(r, got); err != nil {
				t.Fatal(err)
			}
			same(t, got, plain)
			if tt.want == errClosed {
				s.End(errClosed)
			} else if n, err := io.Copy(io.Discard, r); n != 0 || (err == nil) != (tt.want == io.EOF) {
				t.Errorf("%s: %d more bytes, %v", tt.name, n, err)
			}
			s.End(errors.New("another error"))
			readers.Wait()
			if n, err := s.ReadAt(t.Context(), got, 5); n != len(plain)-5 || err != tt.want {
				t.Errorf("%s: %d bytes, %v", tt.name, n, err)
			}
		})
	}
}

// A full disk does not disturb the pass that fills the spool.
func TestSpoolTeeFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		skip.Without(t, "/dev/full")
	}
	defer full.Close()
	plain := noise(10*spoolPiece, 1)
	s, _ := newSpool(t, nil)
	r := s.Tee(bytes.NewReader(plain))
	got := make([]byte, len(plain))
	if _, err := io.ReadFull(r, got[:2*spoolPiece]); err != nil {
		t.Fatal(err)
	}
	s.file = full
	if _, err := io.ReadFull(r, got[2*spoolPiece:]); err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	if n, err := s.ReadAt(t.Context(), got, 0); n != 2*spoolPiece || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Bytes that were changed in the file are never returned.
func TestSpoolDamagedFile(t *testing.T) {
	for _, plain := range [][]byte{noise(20*spoolPiece, 1), text(20*spoolPiece, 1)} {
		s, file := newSpool(t, bytes.NewReader(plain))
		if _, err := io.Copy(io.Discard, s.reader()); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte("wrong"), 1000); err != nil {
			t.Fatal(err)
		}
		if n, err := s.ReadAt(t.Context(), make([]byte, 10), 0); n != 0 || err == nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if _, err := s.ReadAt(t.Context(), make([]byte, 10), spoolPiece); err != nil {
			t.Error(err)
		}
		if err := file.Truncate(2000); err != nil {
			t.Fatal(err)
		}
		if n, err := s.ReadAt(t.Context(), make([]byte, 10), 2*spoolPiece); n != 0 || err == nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

// Close wakes the reads that wait for the stream, and waits for the one that reads it.
func TestSpoolClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream, feed := io.Pipe()
		file, err := os.Create(filepath.Join(t.TempDir(), "spool"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		s, err := NewSpool(stream, file)
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				if _, err := s.ReadAt(t.Context(), make([]byte, 10), 0); err != os.ErrClosed {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // one reads the stream, two wait
		closed := make(chan struct{})
		go func() {
			s.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		feed.CloseWithError(errors.New("given up"))
		<-closed
		readers.Wait()
		if _, err := s.ReadAt(t.Context(), make([]byte, 10), 0); err != os.ErrClosed {
			t.Error(err)
		}
		s.Close()
	})
}

// BenchmarkSpool reads 64 MiB through a spool in order, and then at random.
func BenchmarkSpool(b *testing.B) {
	for name, plain := range map[string][]byte{"jpeg": jpegLike(64<<20, 1), "text": text(64<<20, 1)} {
		b.Run(name+"/pass", func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				s, _ := newSpool(b, bytes.NewReader(plain))
				if _, err := io.Copy(io.Discard, s.reader()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/100KiB", func(b *testing.B) {
			s, _ := newSpool(b, bytes.NewReader(plain))
			if _, err := io.Copy(io.Discard, s.reader()); err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 1))
			buf := make([]byte, 100<<10)
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if _, err := s.ReadAt(b.Context(), buf, r.Int64N(int64(len(plain)-len(buf)))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
