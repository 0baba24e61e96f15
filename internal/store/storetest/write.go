package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/whole"
)

func testCommit(t *testing.T, h *Harness) {
	data := Noise(100_000, 1)
	w := h.create(t, "a", store.Options{})
	for i := 0; i < len(data); i += 999 {
		part := data[i:min(i+999, len(data))]
		n, err := w.Write(part)
		Check(t, err)
		if n != len(part) || w.Written() != int64(i+n) {
			t.Fatalf("%d bytes of %d are written, %d in all", n, len(part), w.Written())
		}
	}
	if _, err := h.Store.Stat(t.Context(), h.Prefix+"a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Commit the object exists: %v", err)
	}
	Check(t, w.Commit(t.Context()))
	Check(t, w.Abort()) // does nothing
	if !bytes.Equal(h.content(t, "a"), data) {
		t.Error("wrong content")
	}
	h.holds(t, "a")
}

func testEndedWrites(t *testing.T, h *Harness) {
	ended, cancel := context.WithCancelCause(t.Context())
	w, err := h.Store.Create(ended, h.Prefix+"b", store.Options{})
	Check(t, err)
	committed := h.create(t, "c", store.Options{})
	cancel(errEnd)
	endsWithCause(t, map[string]func() error{
		"Create": func() error { _, err := h.Store.Create(ended, h.Prefix+"d", store.Options{}); return err },
		"Write":  func() error { _, err := w.Write(make([]byte, 10)); return err },
		"Commit": func() error { return committed.Commit(ended) },
	})
	Check(t, w.Abort()) // works although the context of Create has ended
	h.holds(t)
}

func testAbort(t *testing.T, h *Harness) {
	h.put(t, "a", []byte("old"))
	for _, name := range []string{"a", "b"} {
		w := h.create(t, name, store.Options{Replace: true})
		_, err := w.Write(Noise(1000, 1))
		Check(t, err)
		Check(t, w.Abort())
		Check(t, w.Abort())
	}
	if got := h.content(t, "a"); string(got) != "old" {
		t.Errorf("after Abort the old object contains %q", got)
	}
	h.holds(t, "a")
}

func testExisting(t *testing.T, h *Harness) {
	h.put(t, "a", []byte("old"))
	if _, err := h.Store.Create(t.Context(), h.Prefix+"a", store.Options{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("Create over an existing object: %v", err)
	}
	late := h.create(t, "b", store.Options{})
	if w, err := h.Store.Create(t.Context(), h.Prefix+"b", store.Options{}); err == nil {
		Check(t, w.Commit(t.Context())) // the store has no locks; else Create has returned ErrBusy
		err := late.Commit(t.Context())
		if !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrBusy) {
			t.Errorf("Commit over an object that was created meanwhile: %v", err)
		}
	} else {
		Check(t, late.Abort())
	}
	h.put(t, "a", []byte("new"))
	if got := h.content(t, "a"); string(got) != "new" {
		t.Errorf("content: %q", got)
	}
}

func testBusy(t *testing.T, h *Harness) {
	w := h.create(t, "a", store.Options{})
	other, err := h.Store.Create(t.Context(), h.Prefix+"a", store.Options{})
	if err == nil { // a store without locks
		Check(t, other.Abort())
	} else if !errors.Is(err, store.ErrBusy) {
		t.Errorf("a second writer: %v", err)
	}
	_, err = w.Write([]byte("first"))
	Check(t, err)
	Check(t, w.Commit(t.Context()))
	if got := h.content(t, "a"); string(got) != "first" {
		t.Errorf("content: %q", got)
	}
	h.holds(t, "a")
}

func testCopyRange(t *testing.T, h *Harness) {
	data := Noise(1<<20, 1)
	h.put(t, "a", data)
	w := h.create(t, "b", store.Options{})
	c, ok := w.(store.RangeCopier)
	if !ok {
		Check(t, w.Abort())
		return
	}
	src := store.At(t.Context(), h.open(t, "a"))
	Check(t, c.CopyRange(src, 1000, 500_000))
	Check(t, c.CopyRange(bytes.NewReader(data), 5, 7))
	if err := c.CopyRange(src, 1<<20-5, 6); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("CopyRange past the end: %v", err)
	}
	if w.Written() != 500_012 {
		t.Errorf("Written = %d", w.Written())
	}
	Check(t, w.Commit(t.Context()))
	if want := slices.Concat(data[1000:501_000], data[5:12], data[1<<20-5:]); !bytes.Equal(h.content(t, "b"), want) {
		t.Error("wrong content")
	}
}

func testResume(t *testing.T, h *Harness) {
	w, err := h.Store.Create(t.Context(), h.Prefix+"a", store.Options{Resumable: true, PartDir: t.TempDir()})
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	Check(t, err)
	resumer, ok := store.ResumerFor(h.Store, h.Prefix+"a")
	resumable, also := w.(store.Resumable)
	if !ok || !also {
		t.Fatalf("the store can resume: %v, the writer: %v", ok, also)
	}
	_, err = w.Write([]byte("half"))
	Check(t, err)
	Check(t, resumable.Sync())
	temp := resumable.TempName()
	Check(t, resumable.Detach())
	Check(t, w.Abort()) // does nothing
	if resumer.HasPart(t.Context(), h.Prefix+"a") == h.Apart || resumer.HasPart(t.Context(), h.Prefix+"b") {
		t.Error("the part of one object is not found, or one of another is")
	}
	w = h.create(t, "a", store.Options{})
	part, err := resumer.OpenPart(t.Context(), h.Prefix+"a", temp)
	Check(t, err)
	half, err := whole.Read(io.NewSectionReader(store.At(t.Context(), part), 0, part.Size()), part.Size())
	Check(t, errors.Join(err, part.Close()))
	if _, err := resumer.OpenPart(t.Context(), h.Prefix+"b", temp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the part of one object is opened as that of another: %v", err)
	}
	_, err = w.Write(append(half, " and half"...))
	Check(t, err)
	Check(t, w.Commit(t.Context()))
	if got := h.content(t, "a"); string(got) != "half and half" {
		t.Errorf("content: %q", got)
	}
	h.holds(t, "a")
}
