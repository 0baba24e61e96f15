package storetest

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// oddNames returns names that are often written wrongly.
func oddNames() []string {
	return []string{"a b+c.tar", "a%20b.tar", "%2f", "+&=", "a#b", "d/e.tar", "d.tar", "é/ü.tar", "é🙂",
		"x'\"<>&;.tar", "~*()!$@,:=[1].tar"}
}

// testNames tests that names are literal: objects are found by the names that others have given them, and listed by them.
func testNames(t *testing.T, h *Harness) {
	if h.Names == nil {
		return
	}
	names := slices.Concat(oddNames(), h.Names)
	for i, name := range names {
		h.put(t, "n/"+name, Noise(1000+i, byte(i)))
	}
	h.put(t, "other", Noise(1, 1))
	lister, ok := store.ListerFor(h.Store, h.Prefix)
	if !ok {
		t.Fatal("the store does not list")
	}
	var got []string
	for e, err := range lister.List(t.Context(), h.Prefix+"n/") {
		Check(t, err)
		i := slices.IndexFunc(names, func(name string) bool { return e.Name == h.Prefix+"n/"+name })
		if got = append(got, e.Name); i < 0 {
			t.Errorf("%q is listed", e.Name)
			continue
		}
		o := h.open(t, "n/"+names[i])
		b, err := Read(t, o, 0)
		if err != nil || !bytes.Equal(b, Noise(1000+i, byte(i))) || e.Size != int64(len(b)) {
			t.Errorf("%q, listed with %d bytes: other bytes, or %v", e.Name, e.Size, err)
		}
		info, err := h.Store.Stat(t.Context(), e.Name)
		Check(t, err)
		if e.Version != "" && e.Version != info.Version || info.Size != e.Size ||
			!e.ModTime.IsZero() && info.ModTime.Sub(e.ModTime).Abs() >= time.Second { // Swift rounds one of the two up
			t.Errorf("listed: %+v, Stat: %+v", e.Info, info)
		}
	}
	if len(got) != len(names) || !slices.IsSorted(got) {
		t.Errorf("%d objects are listed, not sorted or not all %d: %q", len(got), len(names), got)
	}
	for prefix, want := range map[string]string{"n/a%": "n/a%20b.tar", "n/none": ""} {
		for e, err := range lister.List(t.Context(), h.Prefix+prefix) {
			if err != nil || e.Name != h.Prefix+want {
				t.Errorf("listed with the prefix %s: %q, %v", prefix, e.Name, err)
			}
		}
	}
}

// testMissing tests what is said of an object that is not there, and of one in a bucket that is not there.
func testMissing(t *testing.T, h *Harness) {
	names := []string{h.Prefix + "none"}
	if h.Missing != "" {
		names = append(names, h.Missing+"none")
	}
	for _, name := range names {
		if _, err := h.Store.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of %s: %v", name, err)
		}
		if _, err := h.Store.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat of %s: %v", name, err)
		}
	}
	if _, err := h.Store.Open(t.Context(), "no-such-scheme://none"); err == nil {
		t.Error("an unknown scheme is opened")
	}
	if lister, ok := store.ListerFor(h.Store, h.Missing); ok && h.Missing != "" {
		for _, err := range lister.List(t.Context(), h.Missing) {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a listing of a bucket that is not there: %v", err)
			}
		}
	}
}

// testGone tests that an object that was deleted or replaced after it had been opened has changed: it is not missing.
func testGone(t *testing.T, h *Harness) {
	const size = 3 << 20 // more than stores read when they open an object
	changes := map[string]func(){"overwritten": func() { h.put(t, "overwritten", Noise(size+1, 2)) }}
	if h.Remove != nil {
		changes["deleted"] = func() { h.Remove(t, h.Prefix+"deleted") }
	}
	for name, change := range changes {
		data := Noise(size, 1)
		h.put(t, name, data)
		o := h.open(t, name)
		change()
		got, err := Read(t, o, 2<<20)
		if err != nil && !errors.Is(err, store.ErrChanged) || errors.Is(err, fs.ErrNotExist) ||
			!bytes.HasPrefix(data[2<<20:], got) || err == nil && len(got) < size-2<<20 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}
