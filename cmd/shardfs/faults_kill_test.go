package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// TestRandomKills kills one of a run's own processes or the server of its mount at random moments.
func TestRandomKills(t *testing.T) {
	verbs := []string{"run", "mount"}
	if !server.CanMount() {
		skip.Part(t, "/dev/fuse for killing a server")
		verbs = verbs[:1]
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, verb := range verbs {
		for _, how := range ways {
			t.Run(verb+"/"+how.name, func(t *testing.T) {
				var all []*swept
				for _, s := range settingsHere(t) {
					if verb == "run" || s.workspace == "fuse" {
						w := newSwept(t, s, 6)
						if verb == "mount" {
							w.tail = "; true" // the command does not notice
						}
						all = append(all, w)
					}
				}
				struck, most := 0, 150*time.Millisecond
				for n := 0; struck < manyOrFew(50, 2); n++ {
					w := all[n%len(all)]
					w.reset(nil)
					f := fault{kill: verb, after: time.Duration(r.Int64N(int64(most)))}
					if w.breaks(f, promise{out: w.path("out", w.out), whole: w.whole}, how) > 0 {
						struck++
					}
					if t.Failed() {
						t.Fatal(f)
					}
				}
			})
		}
	}
}
