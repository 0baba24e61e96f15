package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
)

// largeSize is the size in bytes of objects that remote stores get in three parts.
const largeSize = 36<<20 + 12345

// writeAll writes an object in pieces of odd sizes, and does not commit it.
func writeAll(w io.Writer, data []byte) error {
	for i, size := 0, 1; i < len(data); size = size*3%4_000_037 + 1 {
		n, err := w.Write(data[i:min(i+size, len(data))])
		if i += n; err != nil {
			return err
		}
	}
	return nil
}

// Objects of any size are whole, also those whose sizes are limits of parts, and replaced at once.
func testLarge(t *testing.T, h *Harness) {
	data := Noise(largeSize, 1)
	for _, size := range []int{largeSize, 16 << 20, 16<<20 + 1, 32 << 20, 0, 5} {
		w := h.create(t, "a", store.Options{Replace: true})
		Check(t, writeAll(w, data[:size]))
		Check(t, w.Commit(t.Context()))
		if !bytes.Equal(h.content(t, "a"), data[:size]) {
			t.Errorf("wrong content of %d bytes", size)
		}
		h.holds(t, "a")
	}
	w := h.create(t, "b", store.Options{})
	Check(t, writeAll(w, data))
	Check(t, w.Abort())
	h.holds(t, "a")
}

// Who looks while an object is written sees nothing or the one before, and later all of it.
func testSeen(t *testing.T, h *Harness) {
	data := Noise(largeSize, 1)
	for _, before := range [][]byte{nil, Noise(100, 2)} {
		w := h.create(t, "a", store.Options{Replace: true})
		stop := make(chan struct{})
		var looking sync.WaitGroup
		looking.Go(func() {
			for {
				h.seen(t, before, data)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		err := writeAll(w, data)
		if err == nil {
			err = w.Commit(t.Context())
		}
		close(stop)
		looking.Wait()
		Check(t, err)
		h.seen(t, data, data)
		h.put(t, "a", Noise(100, 2))
	}
}

// seen fails the test if an object is neither of two contents; nil is none.
func (h *Harness) seen(t *testing.T, one, other []byte) {
	o, err := h.Store.Open(t.Context(), h.Prefix+"a")
	if errors.Is(err, fs.ErrNotExist) && one == nil {
		return
	}
	if err != nil {
		t.Errorf("Open while it is written: %v", err)
		return
	}
	defer o.Close()
	want := other
	if o.Size() == int64(len(one)) {
		want = one
	}
	p := make([]byte, 100)
	off := max(0, o.Size()-int64(len(p)))
	n, err := o.ReadAt(t.Context(), p, off)
	if err != nil && err != io.EOF && !errors.Is(err, store.ErrChanged) || o.Size() != int64(len(want)) {
		t.Errorf("an object of %d bytes is seen while one of %d is written: %v", o.Size(), len(other), err)
	} else if err == nil && !bytes.Equal(p[:n], want[off:]) {
		t.Error("bytes of neither object are seen")
	}
}

// Of two writers of one name, exactly one publishes, whether something is there or not, and nothing is left of the other.
func testTwoWriters(t *testing.T, h *Harness) {
	contents := [][]byte{Noise(largeSize, 1), Noise(largeSize, 2), Noise(100, 3), Noise(100, 4)}
	for i, pair := range [][2]int{{0, 1}, {2, 3}, {0, 2}, {3, 0}} {
		for j := range 5 {
			for k, n := range pair { // a version with the same bytes as one before would be the same in some stores
				copy(contents[n], fmt.Sprintf("%d %d %d", i, j, k))
			}
			h.race(t, contents[pair[0]], contents[pair[1]])
		}
	}
	h.holds(t, "a")
}

// race lets two writers publish at the same time. Of a store with locks, they may keep each other from beginning.
func (h *Harness) race(t *testing.T, contents ...[]byte) {
	errs := make([]error, len(contents))
	var begun atomic.Bool
	var ready, writers sync.WaitGroup
	ready.Add(len(contents))
	for i, content := range contents {
		writers.Go(func() {
			w, err := h.Store.Create(t.Context(), h.Prefix+"a", store.Options{Replace: true})
			ready.Done()
			if errs[i] = err; err != nil {
				return
			}
			begun.Store(true)
			ready.Wait()
			if errs[i] = writeAll(w, content); errs[i] == nil {
				errs[i] = w.Commit(t.Context())
			}
			w.Abort()
		})
	}
	writers.Wait()
	if !begun.Load() && errors.Is(errs[0], store.ErrBusy) {
		h.race(t, contents...)
		return
	}
	got := h.content(t, "a")
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0 && !h.Races:
			t.Fatal("both have published")
		case err == nil && (won < 0 || bytes.Equal(got, contents[i])):
			won = i
		case err != nil && !errors.Is(err, store.ErrBusy):
			t.Fatalf("the writer that has lost: %v", err)
		}
	}
	if won < 0 || !bytes.Equal(got, contents[won]) {
		t.Fatalf("writer %d has published, and the object has %d bytes: %v", won, len(got), errs)
	}
}

// Ranges that are long enough for a store to copy them itself make the same bytes as reading them.
func testCopyLong(t *testing.T, h *Harness) {
	data := Noise(largeSize, 1)
	h.put(t, "a", data)
	src := store.At(t.Context(), h.open(t, "a"))
	w := h.create(t, "b", store.Options{})
	c, ok := w.(store.RangeCopier)
	if !ok {
		Check(t, w.Abort())
		return
	}
	var want []byte
	for _, r := range [][3]int{{0, 1000, 20 << 20}, {5, 0, 6 << 20}, {0, 12 << 20, 12 << 20}, {100, 7, 5<<20 + 3},
		{17 << 20, 1, 1}, {0, largeSize - 5<<20, 5 << 20}, {9, 0, 0}} {
		written, off, n := r[0], r[1], r[2]
		_, err := w.Write(data[:written])
		Check(t, err)
		Check(t, c.CopyRange(src, int64(off), int64(n)))
		want = slices.Concat(want, data[:written], data[off:off+n])
		if w.Written() != int64(len(want)) {
			t.Fatalf("Written = %d, want %d", w.Written(), len(want))
		}
	}
	if err := c.CopyRange(src, largeSize-6<<20, 6<<20+1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("CopyRange past the end: %v", err)
	}
	want = append(want, data[largeSize-6<<20:]...)
	Check(t, w.Commit(t.Context()))
	if !bytes.Equal(h.content(t, "b"), want) {
		t.Error("wrong content")
	}
	h.holds(t, "a", "b")
	told, ok := w.(store.Copied)
	if copies := ok && told.Copied() > 0; copies != h.Copies {
		t.Errorf("the server has copied something: %t, want %t", copies, h.Copies)
	}

	// A version that is not there any more is not copied.
	w = h.create(t, "c", store.Options{})
	h.put(t, "a", Noise(largeSize, 2))
	err := w.(store.RangeCopier).CopyRange(src, 0, largeSize)
	if err == nil {
		err = w.Commit(t.Context())
	}
	Check(t, w.Abort())
	if err == nil {
		got := h.content(t, "c") // a store may keep the version for its readers
		if !bytes.Equal(got, data) {
			t.Error("bytes of another version were copied")
		}
	} else if !errors.Is(err, store.ErrChanged) {
		t.Errorf("CopyRange of a version that is gone: %v", err)
	}
}

// A large object that is continued, after its writer has ended or was killed, is whole, and nothing is left of the first
// writer.
func testResumeLarge(t *testing.T, h *Harness) {
	dir := t.TempDir()
	data := Noise(largeSize, 1)
	for _, had := range []int{0, 5, 16<<20 + 1, 32<<20 + 100, largeSize} {
		o := store.Options{Replace: true, Resumable: true, PartDir: dir}
		w, err := h.Store.Create(t.Context(), h.Prefix+"a", o)
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		Check(t, err)
		Check(t, writeAll(w, data[:had]))
		Check(t, w.(store.Resumable).Sync())
		o.Continue = w.(store.Resumable).TempName()
		Check(t, w.(store.Resumable).Detach())
		resumer, _ := store.ResumerFor(h.Store, h.Prefix+"a")
		w, err = h.Store.Create(t.Context(), h.Prefix+"a", o)
		Check(t, err)
		part, err := resumer.OpenPart(t.Context(), h.Prefix+"a", o.Continue)
		Check(t, err)
		got, err := Read(t, part, 0)
		Check(t, errors.Join(err, part.Close()))
		if !bytes.Equal(got, data[:had]) {
			t.Fatalf("%d bytes were kept of %d, or others", len(got), had)
		}
		Check(t, writeAll(w, data))
		Check(t, w.Commit(t.Context()))
		if !bytes.Equal(h.content(t, "a"), data) {
			t.Errorf("wrong content after %d bytes", had)
		}
		if _, err := resumer.OpenPart(t.Context(), h.Prefix+"a", o.Continue); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was kept is still there: %v", err)
		}
		h.holds(t, "a")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
