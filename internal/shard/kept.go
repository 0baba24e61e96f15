package shard

import (
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
)

// keptPlain is the plain bytes of a shard that cannot be decompressed from the middle, on disk: one process decodes them, to
// the end, and later ones read them. They are bound to the origin of the shard, and each read compares checksums. What
// cannot be read or written there is decoded, as without a disk. A nil one has nothing and keeps nothing. Reads are safe
// for concurrent use.
type keptPlain struct {
	s     *Shard
	made  *ahead.Made
	size  int64       // of all bytes, if whole
	whole atomic.Bool // all are there

	// Of the one goroutine that writes, see tee.
	part    []byte // not written yet
	at      int64  // bytes before part
	writing bool
}

// keeps returns what a disk has of the plain bytes of a shard in a format, plain of them if that is known, else
// math.MaxInt64; nil without a disk, if they are too many for it, or if nothing proves which bytes the shard has.
func (s *Shard) keeps(of index.Origin, format codec.Format, plain int64) *keptPlain {
	exact, ok := s.object.(store.Exact)
	proven := !store.IsRemote(s.path) || ok && exact.Exact()
	if format == codec.Plain || format.Dense() || !proven {
		return nil
	}
	disk := s.o.Shared.onDisk()
	if disk == nil {
		return nil
	}
	if plain != math.MaxInt64 && !disk.Fits(plain) {
		s.sayUnkept(ahead.ErrNoRoom)
		return nil
	}
	k := &keptPlain{s: s, made: disk.Made(fmt.Sprintf("%s\x00%v\x00%v", store.Redact(s.path), of, format))}
	size, whole := k.made.Size()
	if whole && plain != math.MaxInt64 && size != plain {
		k.made.Unfinish()
		whole = false
	}
	k.size = size
	k.whole.Store(whole)
	return k
}

// sayUnkept says once why plain bytes are not kept.
func (s *Shard) sayUnkept(err error) {
	s.unkept.Do(func() { s.o.Detail("%s: its decompressed bytes are not kept: %v", s.Name, err) })
}

// has reports whether all plain bytes are there.
func (k *keptPlain) has() bool { return k != nil && k.whole.Load() }

// readAt reads plain bytes like [io.ReaderAt]. It returns false if they must be decoded: from then on all are.
func (k *keptPlain) readAt(p []byte, off int64) (n int, err error, ok bool) {
	if !k.has() || off < 0 {
		return 0, nil, false
	}
	n = int(max(min(int64(len(p)), k.size-off), 0))
	if !k.made.Read(p[:n], off, k.size) {
		if k.whole.CompareAndSwap(true, false) {
			k.made.Unfinish()
			k.s.o.Detail("%s: its decompressed bytes in the cache are damaged or incomplete", k.s.Name)
		}
		return 0, nil, false
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err, true
}

// tee returns a reader of the plain bytes r, from the first on, that writes what it reads to the disk. Then finish must
// be called; if done is not nil, it is called at the end of r, and finish with its result.
func (k *keptPlain) tee(r io.Reader, done func() bool) io.Reader {
	if k == nil || k.whole.Load() {
		return r
	}
	k.writing = true
	return &keptTee{k, r, done}
}

type keptTee struct {
	k    *keptPlain
	r    io.Reader
	done func() bool
}

// Read implements io.Reader.
func (t *keptTee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.k.add(p[:n])
	if err == io.EOF && t.done != nil {
		t.k.finish(t.done())
	}
	return n, err
}

// add writes the next bytes.
func (k *keptPlain) add(p []byte) {
	for len(p) > 0 && k.writing {
		if k.part == nil {
			k.part = make([]byte, 0, ahead.Piece)
		}
		n := min(len(p), ahead.Piece-len(k.part))
		k.part, p = append(k.part, p[:n]...), p[n:]
		if len(k.part) == ahead.Piece {
			k.write(-1)
		}
	}
}

// write writes a part. Size is that of all bytes, if they are known to end with it.
func (k *keptPlain) write(size int64) {
	if err := k.made.Write(k.part, k.at, size); err != nil {
		k.giveUp(err)
		return
	}
	k.at += int64(len(k.part))
	k.part = k.part[:0]
}

// finish ends the writing. If good is set, the bytes are all of an unchanged shard.
func (k *keptPlain) finish(good bool) {
	if k == nil || !k.writing {
		return
	}
	size := k.at + int64(len(k.part))
	if len(k.part) > 0 && good {
		k.write(size)
	}
	if !k.writing {
		return
	}
	if !good {
		k.giveUp(nil)
		return
	}
	if err := k.made.Finish(size); err != nil {
		k.giveUp(err)
	}
	k.writing, k.part = false, nil
}

// giveUp removes what was written.
func (k *keptPlain) giveUp(err error) {
	k.made.Remove(k.at + ahead.Piece)
	k.writing, k.part = false, nil
	if err != nil {
		k.s.sayUnkept(err)
	}
}

// close ends the writing before the end.
func (k *keptPlain) close() { k.finish(false) }
