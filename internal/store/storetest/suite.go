// Package storetest is the test suite that every store must pass. A new store calls [Run] with a function that returns
// an empty place in the store:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Harness {
//			return storetest.Harness{Store: file.Store{}, Prefix: t.TempDir() + "/"}
//		})
//	}
//
// A store that only reads sets Put, and the tests of writing are skipped.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Harness is an empty place in a store, for one test.
type Harness struct {
	Store  store.Store
	Prefix string // prefix of all names; no other object has it

	// Put makes or replaces an object of a store that cannot write, by other means. Objects of one name get different
	// versions. Nil means that the store itself writes.
	Put func(t *testing.T, name string, data []byte)

	// Remove deletes an object by other means. Nil means that nothing can.
	Remove func(t *testing.T, name string)

	// Missing is the prefix of names in a bucket that is not there; "" if the store has no buckets.
	Missing string

	// Names are names below Prefix that this store takes literally, besides those that all stores do. Nil skips the test
	// of names, for stores that escape them or list nothing.
	Names []string

	// Mixes says that the server sometimes sends bytes of a newer version than it says. A Witness tells of the change.
	Mixes bool

	// Keeps says that the server keeps versions that were replaced, so that their readers may never notice.
	Keeps bool

	// Copies says that the server copies long ranges from one of its objects to another.
	Copies bool

	// Races says that the server does not publish on condition, so that two writers may both publish.
	Races bool

	// Apart says that the bytes of unfinished writers are in Options.PartDir, and not in the store.
	Apart bool

	// List returns all names in the place, including those of unfinished objects. An unfinished upload is NAME#UPLOAD. Nil
	// skips the tests for leftovers.
	List func() []string

	// Block makes all further reads wait until their contexts end, and returns a channel that receives a value for each
	// of them. Nil means that no read of the store can wait for long.
	Block func() (waiting <-chan struct{})
}

// errEnd is the cause of contexts that these tests end.
var errEnd = errors.New("the context was ended by the test")

// Run tests a store. It calls open for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, tt := range []struct {
		name   string
		writes bool
		test   func(t *testing.T, h *Harness)
	}{
		{"read", false, testRead},
		{"read at the same time", false, testConcurrent},
		{"missing", false, testMissing},
		{"names", false, testNames},
		{"gone", false, testGone},
		{"ended contexts", false, testEnded},
		{"ended writes", true, testEndedWrites},
		{"blocked reads", false, testBlocked},
		{"changes", false, testChanges},
		{"commit", true, testCommit},
		{"abort", true, testAbort},
		{"existing", true, testExisting},
		{"busy", true, testBusy},
		{"large", true, testLarge},
		{"seen while it is written", true, testSeen},
		{"two writers", true, testTwoWriters},
		{"copied ranges", true, testCopyRange},
		{"long copied ranges", true, testCopyLong},
		{"resume", true, testResume},
		{"resume a large one", true, testResumeLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			if tt.writes && h.Put != nil {
				skip.Without(t, "a store that can write")
			}
			tt.test(t, &h)
		})
	}
}

// create starts writing an object.
func (h *Harness) create(t *testing.T, name string, o store.Options) store.Writer {
	t.Helper()
	w, err := h.Store.Create(t.Context(), h.Prefix+name, o)
	Check(t, err)
	return w
}

// put makes or replaces an object.
func (h *Harness) put(t *testing.T, name string, data []byte) {
	t.Helper()
	if h.Put != nil {
		h.Put(t, h.Prefix+name, data)
		return
	}
	w := h.create(t, name, store.Options{Replace: true})
	_, err := w.Write(data)
	Check(t, err)
	Check(t, w.Commit(t.Context()))
}

// open opens an object and closes it when the test ends.
func (h *Harness) open(t *testing.T, name string) store.Object {
	t.Helper()
	o, err := h.Store.Open(t.Context(), h.Prefix+name)
	Check(t, err)
	t.Cleanup(func() { Check(t, o.Close()) })
	return o
}

// content returns the content of an object.
func (h *Harness) content(t *testing.T, name string) []byte {
	t.Helper()
	o := h.open(t, name)
	b, err := Read(t, o, 0)
	Check(t, err)
	return b
}

// holds fails the test if the names in the place are not exactly these.
func (h *Harness) holds(t *testing.T, names ...string) {
	t.Helper()
	if h.List == nil {
		return
	}
	var got []string
	for _, name := range h.List() {
		got = append(got, strings.TrimPrefix(name, h.Prefix))
	}
	slices.Sort(got)
	if !slices.Equal(got, names) {
		t.Errorf("names: %q, want %q", got, names)
	}
}

func testRead(t *testing.T, h *Harness) {
	for _, size := range []int{0, 1, 4096, 300_000} {
		data := Noise(size, 1)
		h.put(t, "a", data)
		o := h.open(t, "a")
		info, err := h.Store.Stat(t.Context(), h.Prefix+"a")
		Check(t, err)
		if o.Size() != int64(size) || info.Size != int64(size) || o.Version() != info.Version || o.Version() == "" {
			t.Errorf("%d bytes: size %d, version %q, Stat: %+v", size, o.Size(), o.Version(), info)
		}
		if d, ok := o.(store.Dated); ok && !d.ModTime().Equal(info.ModTime) {
			t.Errorf("modified at %v, Stat: %v", d.ModTime(), info.ModTime)
		}
		if a, ok := o.(store.Advisor); ok {
			a.WillRead(0, int64(size)+1)
		}
		for _, off := range []int{0, 1, size / 2, size - 1, size, size + 1, size + 1<<30} {
			for _, n := range []int{0, 1, 1000, 1 << 20} {
				if off < 0 {
					continue
				}
				p := make([]byte, n)
				got, err := o.ReadAt(t.Context(), p, int64(off))
				want := data[min(off, size):min(off+n, size)]
				if !bytes.Equal(p[:got], want) || got < n && err != io.EOF || got == n && err != nil && err != io.EOF {
					t.Errorf("%d bytes at %d of %d: %d bytes, %v", n, off, size, got, err)
				}
			}
		}
		if n, err := o.ReadAt(t.Context(), make([]byte, 1), -1); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a read before the beginning: %d bytes, %v", n, err)
		}
	}
}

func testConcurrent(t *testing.T, h *Harness) {
	data := Noise(1<<20, 1)
	h.put(t, "a", data)
	o := h.open(t, "a")
	var readers sync.WaitGroup
	for i := range uint64(4) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(i, 1))
			p := make([]byte, 10_000)
			for range 100 {
				off := r.IntN(len(data) - len(p))
				if _, err := o.ReadAt(t.Context(), p, int64(off)); err != nil || !bytes.Equal(p, data[off:off+len(p)]) {
					t.Errorf("read at %d: wrong bytes, or %v", off, err)
				}
			}
		})
	}
	readers.Wait()
}

func testEnded(t *testing.T, h *Harness) {
	h.put(t, "a", Noise(1000, 1))
	o := h.open(t, "a")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errEnd)
	endsWithCause(t, map[string]func() error{
		"Open":   func() error { _, err := h.Store.Open(ended, h.Prefix+"a"); return err },
		"Stat":   func() error { _, err := h.Store.Stat(ended, h.Prefix+"a"); return err },
		"ReadAt": func() error { _, err := o.ReadAt(ended, make([]byte, 10), 0); return err },
	})
	if _, err := o.ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Errorf("a read after one whose context had ended: %v", err)
	}
}

// endsWithCause calls functions whose contexts have ended with errEnd.
func endsWithCause(t *testing.T, functions map[string]func() error) {
	t.Helper()
	for what, f := range functions {
		if err := f(); !errors.Is(err, errEnd) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func testBlocked(t *testing.T, h *Harness) {
	if h.Block == nil {
		return // no read waits, so testEnded is enough
	}
	h.put(t, "a", Noise(1000, 1))
	o := h.open(t, "a")
	waiting := h.Block()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := o.ReadAt(ctx, make([]byte, 10), 0)
		done <- err
	}()
	testtime.Receive(t, waiting, "the beginning of the read")
	cancel(errEnd)
	if err := testtime.Receive(t, done, "the end of the read"); !errors.Is(err, errEnd) {
		t.Errorf("the read ends with %v", err)
	}
}

func testChanges(t *testing.T, h *Harness) {
	h.put(t, "a", Noise(1000, 1))
	old := h.open(t, "a")
	Check(t, old.Unchanged(t.Context()))
	witness := store.WitnessOf(h.Store, h.Prefix+"a", old)
	Check(t, witness.Confirm(t.Context()))
	again := h.open(t, "a")
	if again.Version() != old.Version() {
		t.Errorf("one object has the versions %q and %q", old.Version(), again.Version())
	}
	h.put(t, "a", Noise(2000, 1)[1000:]) // of the same size
	now := h.open(t, "a")
	if now.Version() == old.Version() {
		t.Errorf("the changed object has the version %q, too", old.Version())
	}
	// Either reads still return the old bytes, or Unchanged returns ErrChanged.
	p := make([]byte, 1000)
	_, err := old.ReadAt(t.Context(), p, 0)
	if changed := old.Unchanged(t.Context()); changed == nil && (err != nil || !bytes.Equal(p, Noise(1000, 1))) {
		t.Errorf("Unchanged returns nil, but the bytes differ; %v", err)
	} else if changed != nil && !errors.Is(changed, store.ErrChanged) {
		t.Errorf("a changed object: %v", changed)
	}
	if err := witness.Confirm(t.Context()); !errors.Is(err, store.ErrChanged) {
		t.Errorf("the witness of a changed object: %v", err)
	}
}
