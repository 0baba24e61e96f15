package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// TestKillsToStores kills runs over several shards, whose outputs are in a store, at random moments, and starts them again
// until nothing is left to do. Whoever looks 20 times a second sees no output, or the whole one of a run to local files, which
// stays; at the end there is no upload that has not ended.
func TestKillsToStores(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			b := newBucket(t, scheme)
			for _, resume := range []bool{false, true} {
				t.Run(fmt.Sprintf("resume=%v", resume), func(t *testing.T) {
					p := newPlace(t, nil)
					p.env = b.env
					killsToStore(p, b, resume, rand.New(rand.NewPCG(5, 6)))
				})
			}
		})
	}
}

func killsToStore(p *place, b *bucket, resume bool, r *rand.Rand) {
	// The last of them is uploaded in parts.
	args := []string{"run", "-q", "-j", "2", "--workspace", "dir", "-c", "tr a-z A-Z <sample.txt >sample.up",
		"in0.tar", "in1.tar", "in2.tar", "in3.tar", "-o"}
	for i, size := range []int{3000, 3000, 3000, 6_000_000} {
		p.must(os.WriteFile(p.path(fmt.Sprintf("in%d.tar", i)), someSamples(p.t, 6, size), 0o666))
	}
	begin := time.Now()
	if r := p.run(fault{}, append(args, "out/{name}.tar")...); r.status != 0 {
		p.t.Fatal(r.stderr)
	}
	most := 3 * time.Since(begin)
	w := &watcher{b: b, want: map[string][]byte{}}
	for i := range 4 {
		name := fmt.Sprintf("in%d.tar", i)
		content, err := os.ReadFile(p.path("out", name))
		p.must(err)
		w.want[name] = content
	}
	args = append(args, b.scheme+"://bucket/{name}.tar", "--scratch", "scratch")
	if resume {
		args = append(args, "--resume")
	}
	w.reset(p.t)
	defer w.watch(p.t)()
	kills := 0
	defer func() { p.t.Logf("%d kills", kills) }()
	for kills < manyOrFew(100, 2) {
		p.reset(nil)
		w.reset(p.t)
		for n := 0; ; n++ {
			f := fault{kill: "run", after: time.Duration(r.Int64N(int64(most)))}
			if n == 5 {
				f = fault{} // it must come to an end
			}
			res := p.run(f, args...)
			p.gone()
			p.age()
			if p.t.Failed() {
				p.t.Fatalf("after %v: %s", f, res.stderr)
			}
			if res.status == 0 {
				break
			}
			if res.status == exitTemporary {
				continue // the last request of the run that was killed has published the output
			}
			if kills++; !res.killed && !strings.Contains(res.stderr, "signal: killed") {
				p.t.Fatalf("%v: exit status %d: %s", f, res.status, res.stderr)
			}
		}
		w.complete(p.t)
		// The last one may have found that the one before it was killed just after it had published an output.
		if res := p.run(fault{}, args...); res.status != 0 {
			p.t.Errorf("with nothing left to do: exit status %d: %s", res.status, res.stderr)
		}
		left, err := filepath.Glob(p.path("scratch", ".*"))
		if p.must(err); resume && len(left) > 0 {
			p.t.Errorf("left in the scratch directory: %q", left)
		}
	}
}

// watcher looks at the outputs in a bucket.
type watcher struct {
	b    *bucket
	want map[string][]byte // content of each output

	mu   sync.Mutex
	seen map[string]bool // outputs that were there
}

// watch begins to look 20 times a second, until what it returns is called.
func (w *watcher) watch(t *testing.T) func() {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.Tick(50 * time.Millisecond); ; {
			select {
			case <-tick:
				w.look(t)
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// look checks the outputs that are there, and returns all names in the bucket.
func (w *watcher) look(t *testing.T) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := w.b.List(t, "bucket")
	for _, name := range names {
		if content, ok := w.want[name]; ok && !w.seen[name] {
			if got := w.b.Get(t, "bucket", name); !bytes.Equal(got, content) {
				t.Errorf("%s has %d bytes, want %d, or others", name, len(got), len(content))
			}
			w.seen[name] = true
		}
	}
	for name := range w.seen {
		if !slices.Contains(names, name) {
			t.Errorf("%s is gone", name)
		}
	}
	return names
}

// reset removes all outputs.
func (w *watcher) reset(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.b.List(t, "bucket") {
		if w.want[name] != nil {
			w.b.Remove(t, "bucket", name)
		}
	}
	w.seen = map[string]bool{}
}

// complete waits until there are all outputs, and nothing else: a server may be about to remove the parts of an upload that
// has ended.
func (w *watcher) complete(t *testing.T) {
	var names []string
	defer func() {
		if t.Failed() {
			t.Logf("the bucket has %q", names)
		}
	}()
	testtime.Eventually(t, "a bucket with all outputs, and without uploads", func() bool {
		names = w.look(t)
		slices.Sort(names)
		return slices.Equal(names, []string{"in0.tar", "in1.tar", "in2.tar", "in3.tar"})
	})
}
