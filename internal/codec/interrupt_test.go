package codec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/synctest"
)

var errInterrupted = errors.New("interrupted")

// stuck is a source whose reads block until the gate is open or the read is interrupted.
type stuck struct {
	Source
	gate chan struct{}
}

func (s stuck) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	select {
	case <-s.gate:
		return s.Source.ReadAt(ctx, p, off)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// A read ends when its context does, whether it reads the source or waits for another read to decode. Other reads are
// not affected.
func TestReaderAtInterrupted(t *testing.T) {
	plain, gz, m := aheadShard(t, 1<<20)
	synctest.Test(t, func(t *testing.T) {
		src := stuck{FromReaderAt(bytes.NewReader(gz)), make(chan struct{})}
		z := NewReaderAt(Gzip, src, int64(len(gz)), m, ReaderAtOptions{})
		read := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				p := make([]byte, 1000)
				_, err := z.ReadAt(ctx, p, 5000)
				if err == nil && !bytes.Equal(p, plain[5000:6000]) {
					err = errors.New("wrong bytes")
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		var cancel [2]context.CancelCauseFunc
		var ended [2]<-chan error
		for i := range cancel {
			var ctx context.Context
			ctx, cancel[i] = context.WithCancelCause(t.Context())
			ended[i] = read(ctx)
		}
		patient := read(t.Context())
		for _, i := range []int{1, 0} { // the second waits for the first, which reads
			cancel[i](errInterrupted)
			if err := <-ended[i]; err != errInterrupted {
				t.Errorf("read %d ends with %v", i, err)
			}
		}
		close(src.gate)
		if err := <-patient; err != nil {
			t.Errorf("a read that was not interrupted: %v", err)
		}
		z.Close()
	})
}

// Close ends decoding ahead, even when the source blocks.
func TestReaderAtCloseEndsReadAhead(t *testing.T) {
	_, gz, m := aheadShard(t, 8<<20)
	synctest.Test(t, func(t *testing.T) {
		src := stuck{FromReaderAt(bytes.NewReader(gz)), make(chan struct{}, 1)}
		close(src.gate)
		z := NewReaderAt(Gzip, &src, int64(len(gz)), m, ReaderAtOptions{Workers: 2})
		if _, err := io.CopyN(io.Discard, io.NewSectionReader(at(t.Context(), z), 0, 1<<30), 4<<20); err != nil {
			t.Fatal(err)
		}
		z.Close()
	})
}

// An interrupted read of a spool does not affect the others.
func TestSpoolInterrupted(t *testing.T) {
	plain := spoolPlain()
	in, out := io.Pipe()
	s, _ := newSpool(t, in)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := s.ReadAt(ctx, make([]byte, 10), spoolPiece)
		ended <- err
	}()
	if _, err := out.Write(plain[:1000]); err != nil { // now the stream is being read
		t.Fatal(err)
	}
	cancel(errInterrupted)
	if err := <-ended; err != errInterrupted {
		t.Errorf("the read ends with %v", err)
	}
	go func() {
		out.Write(plain[1000:])
		out.Close()
	}()
	got, err := io.ReadAll(s.reader())
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, plain)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadAt(t.Context(), make([]byte, 10), 0); err != fs.ErrClosed {
		t.Errorf("a read after Close: %v", err)
	}
}
