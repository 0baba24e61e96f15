package shard

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

var errInterrupted = errors.New("interrupted")

// A read from a store that does not answer ends with its context, whether the shard is plain, compressed, or
// decompressed into a temporary file; and the next read works.
func TestInterruptedRead(t *testing.T) {
	plain := makeTar(t, 60, 400_000)
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	for story, stored := range map[string][]byte{
		"plain": plain, "gzip": zip(t, plain), "zstd of one frame": encoder.EncodeAll(plain, nil),
	} {
		s := memory.New()
		s.Put("memory://a.tar", stored)
		sh := mustOpen(t, "memory://a.tar", Options{Store: s, NoIndex: true, SpoolDir: t.TempDir()})
		fault, waiting := memory.Blocked()
		s.SetFault(fault)
		ctx, interrupt := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		got := make([]byte, 1000)
		go func() {
			_, err := sh.ReadAt(ctx, got, 1000)
			done <- err
		}()
		testtime.Receive(t, waiting, story+": the read to wait")
		interrupt(errInterrupted)
		if err := testtime.Receive(t, done, story+": the end of the read"); err != errInterrupted {
			t.Errorf("%s: the read ends with %v", story, err)
		}
		if (sh.spool != nil) != (story == "zstd of one frame") {
			t.Errorf("%s: kept decoded: %v", story, sh.spool != nil)
		}
		if sh.spool != nil {
			continue // its stream still waits, until Close
		}
		s.SetFault(nil)
		if n, err := sh.ReadAt(t.Context(), got, 1000); n != len(got) || err != nil ||
			!bytes.Equal(got, plain[1000:2000]) {
			t.Errorf("%s: the next read: %d bytes, %v", story, n, err)
		}
	}
}

// Indexing ends with the context of Open, and in the background with Close, also when the store does not answer.
func TestInterruptedIndexing(t *testing.T) {
	plain := makeTar(t, 60, 400_000)
	s := memory.New()
	s.Put("memory://a.tar", plain)
	fault, waiting := memory.Blocked()
	s.SetFault(fault)
	for _, growing := range []bool{false, true} {
		ctx, interrupt := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := Open(ctx, "memory://a.tar", Options{Store: s, NoIndex: true, Growing: growing})
			done <- err
		}()
		testtime.Receive(t, waiting, "Open to wait")
		interrupt(errInterrupted)
		if err := testtime.Receive(t, done, "the end of Open"); !errors.Is(err, errInterrupted) {
			t.Errorf("growing %v: Open ends with %v", growing, err)
		}
	}
	s.SetFault(func(ctx context.Context, r memory.Read) (int, error) {
		if r.Off < int64(len(plain)/2) || r.Off > int64(len(plain)-100_000) {
			return r.Len, nil
		}
		return fault(ctx, r)
	})
	sh, err := Open(t.Context(), "memory://a.tar", Options{Store: s, NoIndex: true, Growing: true})
	if err != nil {
		t.Fatal(err)
	}
	testtime.Receive(t, waiting, "indexing to wait")
	if err := sh.Close(); err != nil {
		t.Error(err)
	}
	if _, err := sh.Built(); !errors.Is(err, ErrClosed) {
		t.Errorf("indexing ends with %v", err)
	}
}

// If the store has another version of the shard now, reads fail, and if the store returns too few bytes, the shard is
// not considered shorter.
func TestFaultyStore(t *testing.T) {
	plain := makeTar(t, 60, 400_000)
	s := memory.New()
	s.Put("memory://a.tar", plain)
	sh := mustOpen(t, "memory://a.tar", Options{Store: s, NoIndex: true})
	if err := sh.Unchanged(t.Context()); err != nil {
		t.Errorf("at first: %v", err)
	}
	s.Put("memory://a.tar", plain)
	if err := sh.Unchanged(t.Context()); !errors.Is(err, store.ErrChanged) {
		t.Errorf("of another version: %v", err)
	}
	s.SetFault(func(_ context.Context, r memory.Read) (int, error) { return r.Len / 2, nil })
	if sh, err := Open(t.Context(), "memory://a.tar", Options{Store: s, NoIndex: true}); err == nil {
		t.Errorf("%d samples of a shard whose store returns half of what is asked for", sh.Index.Samples())
		sh.Close()
	}
}

// An index file beside a shard is found in every store.
func TestSidecarInStore(t *testing.T) {
	plain := makeTar(t, 60, 1000)
	s := memory.New()
	s.Put("memory://a.tar", plain)
	sh := mustOpen(t, "memory://a.tar", Options{Store: s})
	if err := sh.Save(t.Context(), sh.Path()+SidecarSuffix); err != nil {
		t.Fatal(err)
	}
	s.Put("memory://b.tar", plain)
	o, err := s.Open(t.Context(), "memory://a.tar.sfidx")
	if err != nil {
		t.Fatal(err)
	}
	sidecar := make([]byte, o.Size())
	if _, err := o.ReadAt(t.Context(), sidecar, 0); err != nil {
		t.Fatal(err)
	}
	s.Put("memory://b.tar.sfidx", sidecar)
	for _, name := range []string{"memory://a.tar", "memory://b.tar"} {
		if sh := mustOpen(t, name, Options{Store: s}); sh.Indexed || sh.Index.Samples() != 60 {
			t.Errorf("%s: %d samples, indexed %v", name, sh.Index.Samples(), sh.Indexed)
		}
	}
	s.Put("memory://b.tar", makeTar(t, 61, 1000))
	if sh := mustOpen(t, "memory://b.tar", Options{Store: s}); !sh.Indexed || sh.Index.Samples() != 61 {
		t.Errorf("another shard: %d samples, indexed %v", sh.Index.Samples(), sh.Indexed)
	}
}
