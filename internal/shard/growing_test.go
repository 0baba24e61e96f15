package shard

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// While a shard is being indexed, many goroutines can look up samples at once. Each finds its sample with the right
// bytes, and a missing sample is known to be missing at the end.
func TestOpenGrowing(t *testing.T) {
	const samples = 800
	plain := makeTar(t, samples, 500)
	want := mustIndex(t, plain)
	for story, stored := range map[string][]byte{"plain": plain, "gzip": zip(t, plain),
		"gzip of two members": zip(t, plain[:len(plain)/2], plain[len(plain)/2:])} {
		dir := filepath.Join(t.TempDir(), "cache")
		s := mustOpen(t, save(t, stored), Options{CacheDir: dir, Growing: true})
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(worker)))
				for range 50 {
					n := random.IntN(samples)
					key := fmt.Sprintf("%04d", n)
					row, data, size := -1, int64(0), int64(0)
					err := s.Wait(t.Context(), func(x *index.Index) bool {
						number, ok := x.FindKey(key)
						if ok && x.Sample(number).End >= 2*n+2 {
							row = 2*n + 1
							data, size = x.Content(row)
						}
						return row >= 0
					})
					got := make([]byte, size)
					at, length := want.Content(2*n + 1)
					if err != nil || row < 0 || data != at || size != length {
						t.Errorf("%s: sample %s: row %d, %d bytes at %d, %v", story, key, row, size, data, err)
					} else if n, err := s.ReadAt(t.Context(), got, data); n != len(got) ||
						!bytes.Equal(got, plain[at:at+length]) {
						t.Errorf("%s: sample %s: %d bytes read, %v", story, key, n, err)
					}
				}
			})
		}
		wg.Go(func() {
			if err := s.Wait(t.Context(),
				func(x *index.Index) bool { _, ok := x.FindKey("none"); return ok }); err != nil {
				t.Errorf("%s: what is not there: %v", story, err)
			}
			if s.Growing() {
				t.Errorf("%s: it was said not to be there before all of it had been passed", story)
			}
		})
		wg.Wait()
		f, err := s.Built()
		if err != nil || f.Index.Samples() != samples || f.Cut != "" {
			t.Fatalf("%s: %v", story, err)
		}
		onlyEntry(t, dir)
		again := mustOpen(t, s.path, Options{CacheDir: dir, Growing: true})
		if again.Indexed || again.Growing() {
			t.Errorf("%s: it was indexed again", story)
		}
		checkAll(t, story, again, plain)
	}
}

// Close ends the scan early, and the index is not saved. A caller that waits for more of it gets an error.
func TestCloseGrowing(t *testing.T) {
	stored := zip(t, makeTar(t, 6000, 200))
	dir := filepath.Join(t.TempDir(), "cache")
	s, err := Open(t.Context(), save(t, stored), Options{CacheDir: dir, Growing: true})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := s.Wait(t.Context(), func(x *index.Index) bool { _, ok := x.FindKey("none"); return ok })
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil && !errors.Is(err, ErrClosed) {
		t.Errorf("the one that waited got %v, want %v", err, ErrClosed)
	}
	_, err = s.Built()
	if err == nil {
		skip.Without(t, "to close the shard before it is indexed")
	}
	if !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
	if names := cacheFiles(t, dir); len(names) != 0 {
		t.Errorf("in the cache: %q", names)
	}
}

// In a cut or damaged shard the samples before that place are found, and then the error, or with AllowTruncated none.
func TestOpenGrowingDamaged(t *testing.T) {
	plain := makeTar(t, 500, 3000)
	zipped := zip(t, plain)
	x := mustIndex(t, plain)
	damaged := bytes.Clone(plain)
	copy(damaged[x.Offset(900):], "XXXXXXXX")
	garbled := bytes.Clone(zipped)
	copy(garbled[len(garbled)*4/5:], bytes.Repeat([]byte{0xff}, 100))
	for _, tt := range []struct {
		story  string
		stored []byte
		want   error
	}{
		{"cut", plain[:len(plain)*4/5], index.ErrTruncated},
		{"damaged", damaged, index.ErrDamaged},
		{"gzip cut", zipped[:len(zipped)*4/5], index.ErrTruncated},
		{"gzip damaged", garbled, codec.ErrDamaged},
	} {
		name, dir := save(t, tt.stored), filepath.Join(t.TempDir(), "cache")
		for _, allowed := range []bool{false, true} {
			s := mustOpen(t, name, Options{CacheDir: dir, Growing: true, AllowTruncated: allowed})
			for _, look := range []struct {
				key string
				row int
			}{{"0300", 601}, {"0490", -1}, {"0007", 15}} {
				found := -1
				err := s.Wait(t.Context(), func(x *index.Index) bool {
					n, ok := x.FindKey(look.key)
					if ok && x.Sample(n).End > x.Sample(n).Start+1 {
						found = x.Sample(n).Start + 1
					}
					return found >= 0
				})
				switch {
				case found != look.row:
					t.Errorf("%s: sample %s is in row %d, want %d", tt.story, look.key, found, look.row)
				case found >= 0:
					data, size := x.Content(found)
					got := make([]byte, size)
					if n, readErr := s.ReadAt(t.Context(), got, data); n != len(got) || err != nil ||
						!bytes.Equal(got, plain[data:data+size]) {
						t.Errorf("%s: sample %s: %d bytes, %v, %v", tt.story, look.key, n, readErr, err)
					}
				case allowed && err != nil, !allowed && !errors.Is(err, tt.want):
					t.Errorf("%s: sample %s: %v, want %v", tt.story, look.key, err, tt.want)
				}
			}
			f, err := s.Built()
			if !allowed && !errors.Is(err, tt.want) || allowed && (err != nil || f.Cut == "") {
				t.Errorf("%s: %v, %+v", tt.story, err, f)
			}
			if names := cacheFiles(t, dir); !allowed && len(names) != 0 {
				t.Errorf("%s: in the cache: %q", tt.story, names)
			}
		}
	}
}
