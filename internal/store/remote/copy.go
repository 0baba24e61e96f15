package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/shardfs/shardfs/internal/store"
)

const (
	// leastCopy is the size of the shortest part that a store copies, and of any part before another one.
	leastCopy = 5 << 20

	// mostCopy is the size of the longest part that is copied by one request. Several are copied at a time.
	mostCopy = 512 << 20
)

// CopyUploader is an [Uploader] whose uploads are [Copier].
type CopyUploader interface {
	Uploader
	CopiesInStore()
}

// CopiesInStore implements [store.InStore].
func (s *Store) CopiesInStore() bool {
	_, ok := s.s.(CopyUploader)
	return ok
}

// Copied implements [store.Copied].
func (w *writer) Copied() int64 { return w.copied }

// Copier is an [Upload] whose store makes a part of bytes that it has.
type Copier interface {
	Upload

	// Copy makes a part of a range of an object of the same store, which has to be of the version. The error is
	// errors.ErrUnsupported if the store does not do that.
	Copy(ctx context.Context, upload string, number int, from Range) (receipt string, err error)
}

// Range is a range of a version of an object.
type Range struct {
	Name      string
	Pin       Pin
	Off, Size int64
}

// CopyRange implements [store.RangeCopier]. What is long enough, and is in the same store, is copied there. The part before
// it is filled up to leastCopy.
func (w *writer) CopyRange(src io.ReaderAt, off, n int64) error {
	if o := w.source(src, off, n); o != nil {
		w.copies = true
		fill := int64(0)
		if w.now != nil {
			fill = max(0, leastCopy-w.now.n)
		}
		if n-fill >= w.worthCopying() {
			if err := w.read(src, off, fill); err != nil {
				return err
			}
			off, n = off+fill, n-fill
			copied, err := w.copyParts(o, off, n)
			if err != nil {
				return w.explain(err)
			}
			off, n = off+copied, n-copied
		}
	}
	return w.read(src, off, n)
}

// source returns the object that a range can be copied of; nil if it has to be read.
func (w *writer) source(src io.ReaderAt, off, n int64) *Object {
	bound, ok := src.(interface{ Source() store.ReaderAt })
	if _, can := w.up.(Copier); !ok || !can || w.reads || w.done || w.spool != nil {
		return nil
	}
	o, ok := bound.Source().(*Object)
	if !ok || o.st != w.st || !o.Exact() || off < 0 || off > o.Size() || n > o.Size()-off || o.changed.Load() != nil {
		return nil
	}
	return o
}

// worthCopying returns how long a range has to be. Later parts must not be short, because there are not enough of them.
func (w *writer) worthCopying() int64 {
	if w.transfer.number < partsOfSize {
		return leastCopy
	}
	return sizeOfPart(w.transfer.number + 1)
}

// onlyWriter hides all methods except Write from [io.Copy], and tells its errors from those of reading.
type onlyWriter struct{ w *writer }

// Write implements [io.Writer].
func (o onlyWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	return n, ofWriting(err)
}

// ofWriting returns an error of writing for CopyRange. A part that was being copied may have failed by its source.
func ofWriting(err error) error {
	if err == nil || errors.Is(err, store.ErrChanged) {
		return err
	}
	return &store.WriteError{Err: err}
}

// read appends n bytes of src at off, which it reads.
func (w *writer) read(src io.ReaderAt, off, n int64) error {
	m, err := io.Copy(onlyWriter{w}, io.NewSectionReader(src, off, n))
	if err == nil && m < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// copyParts makes parts of n bytes at off of an object, and returns how many bytes these are: none if the store does not
// copy. That is known when the first one is made.
func (w *writer) copyParts(o *Object, off, n int64) (copied int64, err error) {
	if err := w.flush(); err != nil {
		return 0, ofWriting(w.explain(err))
	}
	parts := (n + mostCopy - 1) / mostCopy
	for i := range parts {
		size := n*(i+1)/parts - n*i/parts
		from := Range{Name: o.name, Pin: o.v.pin, Off: off + copied, Size: size}
		if err := w.transfer.acquire(); err != nil {
			return copied, err
		}
		if w.copied == 0 {
			receipt, err := w.copyPart(o, w.transfer.number+1, from)
			if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
				<-w.transfer.turns
				w.reads = true
				w.e.o.Detail(fmt.Sprintf("the store does not copy bytes of other objects, so they are read: %v", err))
				return copied, nil
			}
			if err != nil {
				return copied, err
			}
			w.transfer.start(Part{Size: size}, func() {}, func(int) (string, error) { return receipt, nil })
		} else {
			w.transfer.start(Part{Size: size}, func() {}, func(number int) (string, error) {
				return w.copyPart(o, number, from)
			})
		}
		copied += size
		w.copied += size
		w.written += size
	}
	return copied, nil
}

// copyPart makes a part of a range of an object.
func (w *writer) copyPart(o *Object, number int, from Range) (string, error) {
	receipt, err := w.up.(Copier).Copy(w.transfer.ctx, w.transfer.upload, number, from)
	if errors.Is(err, ErrCondition) || errors.Is(err, fs.ErrNotExist) {
		if err := o.Confirm(w.transfer.ctx); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%w: the store does not find the version that it has: %w", errors.ErrUnsupported, err)
	}
	if err == nil {
		w.e.copied.Add(from.Size)
	}
	return receipt, err
}
