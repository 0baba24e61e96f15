package storetest

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
)

// Tokens are bearer tokens that a double gives and that requests have to show. Of those that were given only the last is
// good, and the first one for some requests only. The zero value has given none. It is safe for concurrent use.
type Tokens struct {
	mu      sync.Mutex
	given   int
	left    int // for how many more requests the last one is good
	refused int
}

// goodFor is how many requests the first token is good for. The next one does not end in a test.
const goodFor = 20

// Next gives a token.
func (k *Tokens) Next() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.given++
	k.left = goodFor
	if k.given > 1 {
		k.left = 1000
	}
	return k.last()
}

// Expire makes the last token bad.
func (k *Tokens) Expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = 0
}

// Given returns how many tokens were given.
func (k *Tokens) Given() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.given
}

func (k *Tokens) last() string { return fmt.Sprint("token", k.given) }

// Guard returns a handler that answers requests with a good token, and refuses others.
func (k *Tokens) Guard(answer, refuse http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		good := k.left > 0 && r.Header.Get("Authorization") == "Bearer "+k.last()
		if good {
			k.left--
		} else {
			k.refused++
		}
		k.mu.Unlock()
		if good {
			answer(w, r)
		} else {
			refuse(w, r)
		}
	}
}

// Guarded is the least size of an object for [Tokens.Renewed].
const Guarded = 17 << 20

// Renewed reads an object until its first token has expired: no read may fail, and all readers share one new token.
func (k *Tokens) Renewed(t *testing.T, o store.Object, data []byte) {
	t.Helper()
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			p := make([]byte, 10_000)
			for j := range 10 { // backwards, so that nothing is read ahead
				off := (41 - i*10 - j) * 400_000
				n, err := o.ReadAt(t.Context(), p, int64(off))
				if err != nil || !bytes.Equal(p, data[off:off+len(p)]) {
					t.Errorf("%d bytes at %d, or other ones: %v", n, off, err)
				}
			}
		})
	}
	readers.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.given != 2 || k.refused == 0 {
		t.Errorf("%d tokens, %d refusals", k.given, k.refused)
	}
}
