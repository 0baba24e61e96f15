package storetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
)

const (
	readers = 8

	// versionSize is the size in bytes of each version. It is more than stores read when they open an object.
	versionSize = 1<<20 + 1<<17
	block       = 4096
	mostReads   = 32 // of an object until it is opened again: a store may keep what was read
)

// Overwrites returns how often a test replaces an object that is being read: 150 times, or 1000 times by make test-stores,
// which sets SHARDFS_SLOW_SERVERS.
func Overwrites() int {
	if os.Getenv("SHARDFS_SLOW_SERVERS") != "" {
		return 1000
	}
	return 150
}

// Overwrite replaces an object as often as [Overwrites] says while 8 readers open it, read ranges of it until they are told
// that it has changed, or have read some, and open it again. All bytes of an opened object must be those of one version,
// unless the server Mixes, and no read may fail otherwise. All versions have the same size. It calls open once.
func Overwrite(t *testing.T, open func(t *testing.T) Harness) {
	h := open(t)
	n := Overwrites()
	h.put(t, "a", numbered(0))
	var done atomic.Bool
	var reads, changes, mixed atomic.Int64
	var all sync.WaitGroup
	for i := range readers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for !done.Load() && !t.Failed() {
				h.readVersion(t, r, &reads, &changes, &mixed)
			}
		})
	}
	for i := range n {
		if t.Failed() {
			break
		}
		h.put(t, "a", numbered(i+1))
	}
	done.Store(true)
	all.Wait()
	if got := h.content(t, "a"); !t.Failed() && numberOf(got, 0) != int64(n) {
		t.Errorf("at the end the object has version %d of %d", numberOf(got, 0), n)
	}
	if reads.Load() == 0 || changes.Load() == 0 && !h.Keeps {
		t.Errorf("%d reads and %d changes show nothing", reads.Load(), changes.Load())
	}
	t.Logf("%d overwrites: %d reads by %d readers, %d times told of a change, %d times by the witness only",
		n, reads.Load(), readers, changes.Load(), mixed.Load())
}

// readVersion opens the object and reads ranges of it, at most until it has changed.
func (h *Harness) readVersion(t *testing.T, r *rand.Rand, reads, changes, mixed *atomic.Int64) {
	o, err := h.Store.Open(t.Context(), h.Prefix+"a")
	if err != nil {
		t.Errorf("Open: %v", err)
		return
	}
	defer o.Close()
	witness := store.WitnessOf(h.Store, h.Prefix+"a", o)
	version := int64(-1)
	p := make([]byte, 50*block)
	for range 1 + r.IntN(mostReads) {
		p := p[:(1+r.IntN(len(p)/block))*block]
		off := r.IntN((versionSize-len(p))/block+1) * block
		n, err := o.ReadAt(t.Context(), p, int64(off))
		if errors.Is(err, store.ErrChanged) {
			changes.Add(1)
			return
		}
		if err != nil && err != io.EOF || n < len(p) {
			t.Errorf("%d bytes at %d: %d, %v", len(p), off, n, err)
			return
		}
		got := numberOf(p, off)
		if version < 0 {
			version = got
		}
		ofOne := got >= 0 && got == version
		if h.Mixes && !ofOne && errors.Is(witness.Confirm(t.Context()), store.ErrChanged) {
			mixed.Add(1)
			return
		}
		if !ofOne {
			t.Errorf("%d bytes at %d are of version %d (-1: of several), those before of %d", len(p), off, got, version)
			return
		}
		reads.Add(1)
	}
}

// numbered returns the content of a version: in each block its number and that of the version, again and again.
func numbered(version int) []byte {
	b := make([]byte, 0, versionSize)
	for i := range versionSize / block {
		word := binary.BigEndian.AppendUint32(nil, uint32(version))
		word = binary.BigEndian.AppendUint32(word, uint32(i))
		b = append(b, bytes.Repeat(word, block/len(word))...)
	}
	return b
}

// numberOf returns the number of the version that has the blocks p at off, or -1 if there is none.
func numberOf(p []byte, off int) int64 {
	version := binary.BigEndian.Uint32(p)
	for i := 0; i < len(p); i += block {
		b := p[i:][:block]
		if binary.BigEndian.Uint32(b) != version || binary.BigEndian.Uint32(b[4:]) != uint32((off+i)/block) ||
			!bytes.Equal(b[8:], b[:block-8]) {
			return -1
		}
	}
	return int64(version)
}
