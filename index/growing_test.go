package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// A reader of a growing index sees only rows of the whole index, and waits only for missing ones.
func TestGrowing(t *testing.T) {
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprintf("%03d.x", i/2), fmt.Sprintf("d%d/%03d.y", i%7, i))
	}
	plain := makeTar(t, names...)
	whole := build(t, plain)
	for _, chunk := range []int{512, 5000, 1 << 20} {
		g := NewGrowing(BuildOptions{})
		in, out := io.Pipe()
		var all sync.WaitGroup
		all.Go(func() {
			for rest := plain; len(rest) > 0; {
				n := min(chunk, len(rest))
				out.Write(rest[:n])
				rest = rest[n:]
			}
			out.Close()
		})
		all.Go(func() {
			x, err := g.Build(in, false)
			if err != nil || !slices.Equal(outline(x), outline(whole)) {
				t.Errorf("built %v, %v", outline(x), err)
			}
		})
		for reader := range 4 {
			all.Go(func() {
				// One reads the listing, the others ask for a name each, in some order.
				for i := range whole.Samples() {
					number := i * []int{1, 7, 11, 13}[reader] % whole.Samples()
					want := whole.Sample(number)
					var got Sample
					err := g.Wait(t.Context(), func(x *Index) bool {
						d, ok := x.Find(want.Path)
						if !ok {
							return false
						}
						if number, ok = x.SampleIn(d); ok {
							got = x.Sample(number)
						}
						return ok
					})
					if err != nil || got != want {
						t.Errorf("sample %+v, %v, want %+v", got, err, want)
						return
					}
				}
			})
		}
		all.Wait()
		if err := g.Wait(t.Context(), func(x *Index) bool { return false }); err != nil {
			t.Errorf("what is not there, at the end: %v", err)
		}
	}
}

// What is known of a growing index at some time does not change, whether the rest of the tar is whole or cut.
func TestGrowingKnown(t *testing.T) {
	var names []string
	for i := range 700 {
		names = append(names, fmt.Sprintf("d%d/%03d.x", i/90, i/3))
		if i%50 == 0 {
			names = append(names, fmt.Sprintf("NOTES %d", i))
		}
	}
	plain := makeTar(t, names...)
	whole := build(t, plain)
	for _, end := range []int{len(plain), len(plain) * 2 / 3, int(whole.Offset(whole.Sample(200).Start + 1))} {
		g := NewGrowing(BuildOptions{})
		var all sync.WaitGroup
		all.Go(func() { g.Build(io.MultiReader(bytes.NewReader(plain[:end])), true) })
		for seen := 0; ; {
			var known *Index
			err := g.Wait(t.Context(), func(x *Index) bool {
				if x.Samples() == seen {
					return false
				}
				known = x.Known()
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if known == nil {
				break
			}
			seen = known.Samples()
			if got := outline(known); !slices.Equal(got, outline(whole)[:seen]) {
				t.Fatalf("cut at byte %d: of %d samples: %q", end, seen, got)
			}
			rows := known.Rows()
			if known.End() != whole.Offset(rows) || rows < known.Sample(seen-1).End {
				t.Fatalf("cut at byte %d: %d rows end at byte %d", end, rows, known.End())
			}
			for row := range rows {
				got, want := known.Member(row), whole.Member(row)
				if got != want || known.OutsideName(row) != whole.OutsideName(row) {
					t.Fatalf("cut at byte %d: row %d is %+v, want %+v", end, row, got, want)
				}
			}
		}
		all.Wait()
	}
}

func TestGrowingCancelled(t *testing.T) {
	g := NewGrowing(BuildOptions{})
	in, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		g.Build(in, false)
		close(done)
	}()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("cancelled")
	cancel(cause)
	if err := g.Wait(ctx, func(*Index) bool { return false }); err != cause {
		t.Errorf("Wait returned %v", err)
	}
	out.Close()
	<-done
}

// A shard that ends early shows its whole samples, and then the error.
func TestGrowingDamaged(t *testing.T) {
	plain := makeTar(t, "a.x", "b.x", "c.x")
	g := NewGrowing(BuildOptions{})
	r := iotest.OneByteReader(strings.NewReader(string(plain[:3000])))
	if _, err := g.Build(r, false); !errors.Is(err, ErrTruncated) {
		t.Errorf("Build: %v, want %v", err, ErrTruncated)
	}
	look := func(key string) error {
		return g.Wait(t.Context(), func(x *Index) bool {
			_, ok := x.FindKey(key)
			return ok
		})
	}
	if err := look("a"); err != nil {
		t.Error(err)
	}
	if err := look("c"); !errors.Is(err, ErrTruncated) {
		t.Errorf("what would have come: %v, want %v", err, ErrTruncated)
	}
}

// If a reader is cancelled at the moment when found returns true, Wait returns nil.
func TestGrowingFoundAndCancelled(t *testing.T) {
	for range 50 {
		g := NewGrowing(BuildOptions{Concurrent: true})
		ctx, cancel := context.WithCancel(t.Context())
		waits, looks := make(chan struct{}), 0
		var all sync.WaitGroup
		all.Go(func() {
			err := g.Wait(ctx, func(*Index) bool {
				looks++
				switch looks {
				case 2:
					close(waits) // as soon as the lock is released
				case 3:
					cancel()
				}
				return looks == 3
			})
			if err != nil {
				t.Errorf("found, and cancelled: %v", err)
			}
		})
		<-waits
		g.mu.Lock()
		g.wake(false)
		g.mu.Unlock()
		all.Wait()
	}
}
