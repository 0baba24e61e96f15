package remote

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
)

// versionOf returns the content of a version: its number, again and again.
func versionOf(number, size int) []byte {
	b := make([]byte, size)
	binary.LittleEndian.PutUint64(b, uint64(number))
	for n := 8; n < size; n *= 2 {
		copy(b[n:], b[:n])
	}
	return b
}

// Eight readers get no byte of another version than the one that they have opened, while the object is overwritten: not
// from servers that keep to the condition of a request, nor from those that ignore it, nor from those whose ETag says
// nothing, if the size changes.
func TestOverwrites(t *testing.T) {
	numbered := func(n int) string { return fmt.Sprintf(`"%d"`, n) }
	for _, tt := range []struct {
		name, fault string
		etag        func(n int) string
		modified    func(n int) time.Time
		size        func(n int) int
	}{
		{"atomic", "plain", numbered, nil, nil},
		{"the condition is ignored", "ignorematch", numbered, nil, nil},
		{"only the time tells", "plain", func(int) string { return "" },
			func(n int) time.Time { return time.Unix(int64(1e9+n), 0) }, nil},
		{"only the size tells", "plain", func(int) string { return `"same"` }, nil,
			func(n int) int { return 50_000 + 8*n }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := faultserver.New(t)
			opt := quick()
			opt.Budget = time.Minute
			e := NewEngine(opt)
			t.Cleanup(e.Close)
			put := func(n int) {
				o := faultserver.Object{ETag: tt.etag(n)}
				size := 60_000
				if tt.size != nil {
					size = tt.size(n)
				}
				if tt.modified != nil {
					o.ModTime = tt.modified(n)
				}
				o.Data = versionOf(n, size)
				s.PutObject("x", o)
			}
			put(1)
			r := &readers{t: t, st: New(e, plainService{}), name: s.URL + "/" + tt.fault + "/x",
				stop: make(chan struct{}), read: make(chan struct{}, 1)}
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() { r.run(uint64(i)) })
			}
			overwrites := storetest.Overwrites()
			for n := 2; n < overwrites+2; n++ {
				for range 3 {
					<-r.read
				}
				put(n)
			}
			close(r.stop)
			all.Wait()
			if r.changes.Load() < int64(overwrites)/4 {
				t.Errorf("%d reads met another version: the test proves little", r.changes.Load())
			}
		})
	}
}

// readers read an object that is being overwritten.
type readers struct {
	t       *testing.T
	st      store.Store
	name    string
	stop    chan struct{}
	read    chan struct{} // receives a value for each read
	changes atomic.Int64
}

// run opens the object and reads from it until it has changed, again and again.
func (r *readers) run(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for !r.stopped() {
		o, err := r.st.Open(r.t.Context(), r.name)
		if err != nil {
			r.t.Errorf("Open: %v", err)
			return
		}
		var first [8]byte
		if _, err := o.ReadAt(r.t.Context(), first[:], 0); err != nil {
			r.t.Errorf("the first bytes: %v", err)
			return
		}
		for changed := false; !changed && !r.stopped(); {
			p := make([]byte, 8*(1+random.IntN(1000)))
			err := o.(*Object).Fetch(r.t.Context(), p, 8*random.Int64N((o.Size()-int64(len(p)))/8), nil)
			if changed = errors.Is(err, store.ErrChanged); changed {
				r.changes.Add(1)
			} else if err != nil {
				r.t.Errorf("Fetch: %v", err)
			} else if !bytes.Equal(p, versionOf(int(binary.LittleEndian.Uint64(first[:])), len(p))) {
				r.t.Errorf("bytes of version %x for those of %x", p[:8], first)
			}
		}
	}
}

// stopped tells of a read, and reports whether it was the last.
func (r *readers) stopped() bool {
	select {
	case r.read <- struct{}{}:
		return false
	case <-r.stop:
		return true
	}
}

// What no header tells is told by Confirm, at the latest, if the version changes at all: a server that overwrites in place
// mixes versions in one body.
func TestTorn(t *testing.T) {
	s, e, _ := setUp(t, 2_000_000, quick())
	st, name := New(e, plainService{}), s.URL+"/torn@1/x"
	o, err := st.Open(t.Context(), name)
	check(t, err)
	p := make([]byte, 1000)
	if _, err := o.ReadAt(t.Context(), p, 1_500_000); err != nil {
		t.Fatal(err) // no header of the answer is wrong
	}
	if err := store.WitnessOf(st, name, o).Confirm(t.Context()); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Confirm: %v", err)
	}
	if _, err := o.ReadAt(t.Context(), p, 0); !errors.Is(err, store.ErrChanged) {
		t.Errorf("a later read: %v", err)
	}
}

// An object that is overwritten while it is opened is opened as it is then, and one that has gone or shrunk is ErrChanged.
func TestChangesWhileInUse(t *testing.T) {
	for name, change := range map[string]func(s *faultserver.Server){
		"overwritten": func(s *faultserver.Server) { s.Put("x", noise(2_000_000)) },
		"grown":       func(s *faultserver.Server) { s.Put("x", noise(2_000_001)) },
		"shrunk":      func(s *faultserver.Server) { s.Put("x", noise(1_000_000)) },
		"emptied":     func(s *faultserver.Server) { s.Put("x", nil) },
		"removed":     func(s *faultserver.Server) { s.Remove("x") },
		"grown, with the same ETag": func(s *faultserver.Server) {
			o := s.Object("x")
			o.Data = noise(2_000_001)
			s.PutObject("x", o)
		},
		"shrunk, with the same ETag": func(s *faultserver.Server) {
			o := s.Object("x")
			o.Data = noise(1_500_000)
			s.PutObject("x", o)
		},
	} {
		for _, fault := range []string{"plain", "noetag", "weaketag", "ignorematch"} {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				s, e, _ := setUp(t, 2_000_000, quick())
				st, path := New(e, plainService{}), s.URL+"/"+fault+"/x"
				o, err := st.Open(t.Context(), path)
				check(t, err)
				change(s)
				var first error
				for _, off := range []int64{1_600_000, 1_600_000, 0} {
					_, err := o.ReadAt(t.Context(), make([]byte, 10), off)
					if !errors.Is(err, store.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
						t.Errorf("a read at %d: %v", off, err)
					}
					if first == nil {
						first = err
					}
					if err.Error() != first.Error() {
						t.Errorf("first %q, then %q", first, err)
					}
				}
				if err := o.Unchanged(t.Context()); !errors.Is(err, store.ErrChanged) {
					t.Errorf("Unchanged: %v", err)
				}
				requests := len(s.Requests("/" + fault + "/x"))
				if err := store.WitnessOf(st, path, o).Confirm(t.Context()); !errors.Is(err, store.ErrChanged) {
					t.Errorf("Confirm: %v", err)
				}
				if len(s.Requests("/"+fault+"/x")) != requests || requests > 4 {
					t.Errorf("%d requests, and more after the change was known", requests)
				}
			})
		}
	}
}
