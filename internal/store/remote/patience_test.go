package remote

import (
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

// An object that can be done without is tried for as short as the caller wants, also when it is read after it was opened.
func TestPatience(t *testing.T) {
	o := quick()
	o.Budget, o.FirstBudget, o.Silence = time.Hour, time.Hour, time.Hour
	s, e, _ := setUp(t, 3<<20, o)
	ctx := store.WithPatience(t.Context(), 300*time.Millisecond)
	for fault, text := range map[string]string{"500": "500 Internal Server Error", "hang": "no data for 300ms"} {
		_, err := New(e, plainService{}).Open(ctx, s.URL+"/"+fault+"/x")
		wantError(t, err, store.ErrUnreachable, text)
		opened, err := New(e, plainService{}).Open(ctx, s.URL+"/"+fault+"@1-/x")
		check(t, err)
		_, err = opened.ReadAt(t.Context(), make([]byte, 1000), 2<<20)
		wantError(t, err, store.ErrUnreachable, text)
		check(t, opened.Close())
	}
}
