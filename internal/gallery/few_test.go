package gallery

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// Of more shards than can be open, all are shown, and those that were used last are open. One that was replaced while it
// was not open is not mixed with the new one.
func TestFew(t *testing.T) {
	const shards, most = 12, 3
	var names []string
	for i := range shards {
		names = append(names, writeShard(t, fmt.Sprintf("%02d.txt", i), fmt.Sprint("content ", i)))
	}
	in := newFew(file.Store{}, most)
	s := serveWith(t, in, "", names...)
	s.set("all shards", func(set *setJSON) bool { return set.Samples == shards })
	var readers sync.WaitGroup
	for reader := range 3 {
		readers.Go(func() {
			for i := range 2 * shards {
				n := (i*5 + reader) % shards
				status, _, body := s.do(fmt.Sprintf("raw/%d/0", n), nil)
				if status != http.StatusOK || body != fmt.Sprint("content ", n) {
					t.Errorf("%d: %d %q", n, status, body)
				}
			}
		})
	}
	readers.Wait()
	in.mu.Lock()
	if n := in.idle.Len(); n > most || n == 0 || in.inUse != 0 {
		t.Errorf("%d are open, %d in use", n, in.inUse)
	}
	in.mu.Unlock()
	s.do("raw/1/0", nil)
	s.do("raw/2/0", nil)
	s.do("raw/3/0", nil)
	shardtest.Check(t, os.Rename(writeShard(t, "00.txt", "content X"), names[0]))
	if status, _, body := s.do("raw/0/0", nil); status != http.StatusConflict {
		t.Errorf("replaced: %d %q", status, body)
	}
	s.set("the news", func(set *setJSON) bool {
		return set.Shards[0].State == replaced && set.Shards[1].State == ready
	})
}

// An object of few is closed with its last use, and cannot be used then.
func TestRestingClose(t *testing.T) {
	in := newFew(file.Store{}, 1)
	o, err := in.Open(t.Context(), writeShard(t, "a.txt", "a"))
	shardtest.Check(t, err)
	r := o.(*resting)
	_, err = r.use(t.Context())
	shardtest.Check(t, err)
	shardtest.Check(t, o.Close())
	if r.open == nil {
		t.Error("closed while in use")
	}
	if r.release(); r.open != nil || in.inUse != 0 || in.idle.Len() != 0 {
		t.Errorf("open afterwards: %+v", in)
	}
	if _, err := o.ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	o.(store.Advisor).WillRead(0, 1)
	shardtest.Check(t, o.Close())
}
