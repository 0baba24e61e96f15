package remote

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// upload answers parts when it is let, or not at all.
type upload struct {
	Upload
	answer chan error
}

func (u *upload) Limits() Limits { return Limits{} }

func (u *upload) Part(ctx context.Context, _ string, _ int, _ *Content) (string, error) {
	select {
	case err := <-u.answer:
		return "", err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// All writers of an engine together have memory for inFlight parts, and each of them for one, whatever others do.
func TestMemoryOfWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		u := &upload{answer: make(chan error)}
		idle, busy := newTransfer(t.Context(), u, m), newTransfer(t.Context(), u, m)
		held := make(chan *piece, 2*inFlight)
		fill := func(tr *transfer, n int) {
			for range n {
				p, err := tr.next()
				if err != nil {
					t.Error(err)
					return
				}
				held <- p
			}
		}
		fill(idle, inFlight) // of which some turns are for one writer only, and others for any
		go fill(busy, 1)
		if synctest.Wait(); len(held) != inFlight+1 {
			t.Fatalf("%d parts have memory, want one of the second writer, too", len(held))
		}
		for range inFlight {
			idle.send(<-held)
		}
		go fill(busy, 1)
		if synctest.Wait(); len(held) != 1 {
			t.Errorf("%d parts of the second writer have memory, while the first has all", len(held))
		}
		for range 2 { // the turn of one of them may be for the first writer only
			u.answer <- nil
		}
		if synctest.Wait(); len(held) != 2 {
			t.Errorf("%d parts of the second writer have memory, after two of the first are acknowledged", len(held))
		}

		// An error ends all parts, and their memory is there for the next writer.
		u.answer <- errors.New("refused")
		idle.all.Wait()
		for len(held) > 0 {
			busy.free(<-held)
		}
		if len(m.more) > 0 || len(busy.own) > 0 || len(m.spare) > inFlight {
			t.Errorf("%d and %d turns are taken, %d spare", len(m.more), len(busy.own), len(m.spare))
		}
		busy.end()
	})
}
