package output

import (
	"io"

	"github.com/shardfs/shardfs/index"
)

// indexTee passes a tar on to a writer and indexes it.
type indexTee struct {
	w     io.Writer
	copy  *io.PipeWriter
	done  chan struct{}
	index *index.Index // valid, like tail and err, after done is closed
	tail  index.Tail
	err   error
}

func newIndexTee(w io.Writer) *indexTee {
	r, copy := io.Pipe()
	t := &indexTee{w: w, copy: copy, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		if t.index, t.err = index.Build(r, index.BuildOptions{Concurrent: true, Tail: &t.tail}); t.err == nil {
			_, t.err = io.Copy(io.Discard, r) // zeros after the end marker
		}
		r.CloseWithError(t.err)
	}()
	return t
}

func (t *indexTee) Write(p []byte) (int, error) {
	if _, err := t.copy.Write(p); err != nil {
		return 0, err
	}
	return t.w.Write(p)
}

// close ends the tar and returns its index. Later calls return the same.
func (t *indexTee) close() (*index.Index, error) {
	t.copy.Close()
	<-t.done
	return t.index, t.err
}
