package shard

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// A compressed shard that other tools have written is read once, from the front, whether it can be decoded from the middle
// or not. Nothing is read at its end before that.
func TestCompressedOnce(t *testing.T) {
	plain := makeTar(t, 30, 100_000)
	x := mustIndex(t, plain)
	for _, tt := range []struct {
		command []string // that compresses
		spooled bool
	}{
		{[]string{"gzip", "-1"}, false},
		{[]string{"bgzip", "-c"}, false},
		{[]string{"bzip2", "-1"}, false},
		{[]string{"zstd", "-1"}, true},
		{[]string{"zstd", "-1", "--stream-size=" + fmt.Sprint(len(plain))}, true},
		{[]string{"xz", "-0", "-T1"}, true},
		{[]string{"lz4", "-BD"}, true},
	} {
		t.Run(strings.Join(tt.command, " "), func(t *testing.T) {
			s := memory.New()
			stored := compressedBy(t, plain, tt.command...)
			s.Put("https://host/a", stored)
			synctest.Test(t, func(t *testing.T) {
				f := &far{Store: s, exact: true}
				o := Options{Store: f, Growing: tt.spooled, SpoolDir: t.TempDir()}
				sh, err := Open(t.Context(), "https://host/a", o)
				if err != nil {
					t.Fatal(err)
				}
				defer sh.Close()
				if tt.spooled {
					buf := make([]byte, len(plain))
					n, err := sh.ReadAt(t.Context(), buf, 0)
					if n != len(buf) || err != nil || !bytes.Equal(buf, plain) {
						t.Errorf("%d bytes, %v", n, err)
					}
				}
				built, err := sh.Built()
				if err != nil || built.Index.Samples() != x.Samples() {
					t.Fatal(err)
				}
				at := int64(0)
				for _, what := range f.asked {
					var n, off int64
					if _, err := fmt.Sscanf(what, "%d at %d", &n, &off); err != nil {
						continue
					}
					if off < at || off > max(at, farHead) {
						t.Errorf("%s, after the bytes before %d", what, at)
					}
					at = off + n
				}
				if want := int64(len(stored) - farHead); f.bytes != want {
					t.Errorf("%d bytes were read after the first, want %d", f.bytes, want)
				}
			})
		})
	}
}

// compressedBy returns what a command writes for these bytes on its standard input.
func compressedBy(t *testing.T, plain []byte, command ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		skip.Without(t, "%s", command[0])
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdin = bytes.NewReader(plain)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kept is a far store that keeps what was fetched, and fetches what is announced.
type kept struct {
	*far
	cache *ahead.Cache
}

// Open implements [store.Store].
func (s kept) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := s.far.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	head := s.cache.Buffer(int(min(farHead, o.Size())))
	defer head.Free()
	if _, err := o.ReadAt(ctx, head.Bytes, 0); err != nil {
		return nil, err
	}
	b := s.cache.Open(keptSource{o}, ahead.Info{Size: o.Size()})
	b.Begin(head, len(head.Bytes))
	return &keptObject{o, b}, nil
}

type keptSource struct{ store.Object }

// Fetch implements [ahead.Source].
func (s keptSource) Fetch(ctx context.Context, p []byte, off int64, got func(n int)) error {
	n, err := s.ReadAt(ctx, p, off)
	got(n)
	return err
}

type keptObject struct {
	store.Object
	bytes *ahead.Object
}

func (o *keptObject) Exact() bool { return true }

func (o *keptObject) WillRead(off, n int64) { o.bytes.WillRead(off, n) }

func (o *keptObject) Close() error { return o.bytes.Close() }

func (o *keptObject) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return o.bytes.ReadAt(ctx, p, off)
}

// openKept opens a shard in a far store that keeps what was fetched.
func openKept(t *testing.T, s *memory.Store, name string, o Options) (*Shard, *far) {
	t.Helper()
	f := &far{Store: s, exact: true}
	o.Store = kept{f, ahead.NewCache(ahead.Options{Memory: 64 << 20})}
	sh, err := Open(t.Context(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sh.Close(); err != nil {
			t.Error(err)
		}
	})
	return sh, f
}

// The index in a compressed shard, and the table of its checkpoints, come with one request, and another one proves that
// they fit.
func TestOpenRemoteEmbedded(t *testing.T) {
	plain := makeTar(t, 60, 100_000)
	x := mustIndex(t, plain)
	for _, format := range []codec.Format{codec.Gzip, codec.Zstd} {
		s := memory.New()
		s.Put("https://host/a", embed(t, format, plain, x))
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			sh, f := openKept(t, s, "https://host/a", Options{Growing: true})
			took := time.Since(begun)
			if sh.Indexed || took > 3*roundTrip || len(f.asked) > 4 { // two of them at the same time
				t.Errorf("%s: %v, %q; indexed: %v", format, took, f.asked, sh.Indexed)
			}
		})
	}
}

// A sample at a random place of a compressed shard is one request of little more than the stretches that it is in, whether
// it is announced as a sample or is in one stretch.
func TestRandomCompressed(t *testing.T) {
	const each = 100_000
	plain := makeTar(t, 200, each)
	x := mustIndex(t, plain)
	for _, tt := range []struct {
		name    string
		stored  []byte
		stretch int64 // compressed bytes
	}{
		{"gzip", compressedBy(t, plain, "gzip", "-1"), 800 << 10},
		{"own gzip", embed(t, codec.Gzip, plain, x), 800 << 10},
		{"own zstd", embed(t, codec.Zstd, plain, x), 800 << 10},
	} {
		s := memory.New()
		s.Put("https://host/a", tt.stored)
		cache := Options{CacheDir: t.TempDir()}
		opened(t, s, cache)
		synctest.Test(t, func(t *testing.T) {
			for _, announced := range []bool{true, false} {
				sh, f := openKept(t, s, "https://host/a", cache)
				if sh.Indexed {
					t.Fatal("it was indexed again")
				}
				f.asked, f.bytes = nil, 0
				order := []int{0, 3, 1, 4, 2} // far from each other: not a walk
				most := int64(len(order)) * tt.stretch
				for _, n := range order {
					sample := x.Sample(38*n + 25)
					from, to := x.Offset(sample.Start), x.Offset(sample.End)
					if announced {
						sh.WillRead(from, to-from)
						most += tt.stretch / 2 // some are in two
					} else {
						to = min(to, from+30_000) // of the same stretch, most likely
					}
					readPieces(t, sh, plain, from, to)
					synctest.Wait()
				}
				t.Logf("%s, announced %v: %d requests, %d bytes of %d", tt.name, announced, len(f.asked), f.bytes, most)
				if len(f.asked) > len(order) || f.bytes > most {
					t.Errorf("%s: %d requests for %d samples, %d bytes: %q", tt.name, len(f.asked), len(order), f.bytes,
						f.asked)
				}
			}
		})
	}
}

// A walk after the whole listing of a compressed shard finds its bytes in memory, if they fit.
func TestListedThenRead(t *testing.T) {
	plain := makeTar(t, 60, 100_000)
	s := memory.New()
	stored := compressedBy(t, plain, "gzip", "-1")
	s.Put("https://host/a", stored)
	synctest.Test(t, func(t *testing.T) {
		sh, f := openKept(t, s, "https://host/a", Options{Growing: true})
		if _, err := sh.Built(); err != nil {
			t.Fatal(err)
		}
		readPieces(t, sh, plain, 0, int64(len(plain)))
		if want := int64(len(stored) - farHead); f.bytes != want {
			t.Errorf("%d bytes were fetched after the first, want %d: %q", f.bytes, want, f.asked)
		}
	})
}

// opened opens a shard, so that its index is in the cache.
func opened(t *testing.T, s *memory.Store, o Options) {
	t.Helper()
	o.Store = s
	sh, err := Open(t.Context(), "https://host/a", o)
	if err != nil {
		t.Fatal(err)
	}
	sh.Close()
}

// readPieces reads plain bytes 64 KiB at a time.
func readPieces(t *testing.T, sh *Shard, plain []byte, from, to int64) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for from < to {
		n, err := sh.ReadAt(t.Context(), buf[:min(int64(len(buf)), to-from)], from)
		if err != nil || !bytes.Equal(buf[:n], plain[from:from+int64(n)]) {
			t.Fatalf("%d bytes at %d: %v", n, from, err)
		}
		from += int64(n)
	}
}
