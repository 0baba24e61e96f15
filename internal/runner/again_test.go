package runner

import (
	"context"
	"os"
	"strings"
	"testing"
)

// A command whose directory was unfit runs once more, in the same attempt, whether it has failed or not, and only what the
// last one has written counts.
func TestAgain(t *testing.T) {
	noLeaks(t)
	for _, tt := range []struct {
		name, script, asked, ran string
		retries                  int
		fails                    bool
	}{
		{name: "success", script: `echo $PLACE`, asked: "ok ok", ran: "1 1"},
		{name: "failure", script: `echo $PLACE; exit 1`, asked: "failed failed", ran: "1 1", fails: true},
		{name: "only in the first place", script: `echo $PLACE; test $PLACE = second`, asked: "failed ok", ran: "1 1"},
		{
			name: "with another attempt", script: `echo $PLACE; exit 1`, retries: 1,
			asked: "failed failed failed", ran: "1 1 2", fails: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked, ran []string
			place, discarded := "first", 0
			job := Job{
				Prepare: func(_ context.Context, attempt int) (Place, error) {
					ran = append(ran, string(rune('0'+attempt)))
					return Place{Dir: t.TempDir(), Env: []string{"PLACE=" + place}}, nil
				},
				Again: func(failed bool) bool {
					asked = append(asked, map[bool]string{false: "ok", true: "failed"}[failed])
					again := place == "first"
					place = "second"
					return again
				},
				Discard: func() error { discarded++; return nil },
			}
			o := shell(tt.script)
			o.Retries = tt.retries
			for res, err := range allResults(t.Context(), o, func(yield func(Job) bool) { yield(job) }) {
				var out strings.Builder
				if err == nil {
					_, err = res.Output.WriteTo(&out)
				}
				if err != nil || (res.Err != nil) != tt.fails || out.String() != "second\n" {
					t.Errorf("printed %q, and %v, %v", &out, res.Err, err)
				}
				if res.Attempts != 1+tt.retries {
					t.Errorf("%d attempts, want %d", res.Attempts, 1+tt.retries)
				}
			}
			if strings.Join(asked, " ") != tt.asked || strings.Join(ran, " ") != tt.ran {
				t.Errorf("asked after %q, want %q; attempts %q, want %q", asked, tt.asked, ran, tt.ran)
			}
			if (discarded > 0) != tt.fails {
				t.Errorf("discarded %d times", discarded)
			}
		})
	}
}

// So does the job of a worker, which goes on if it has answered.
func TestAgainOfWorker(t *testing.T) {
	noLeaks(t)
	first := true
	dirs := []string{t.TempDir(), t.TempDir()}
	job := Job{
		Prepare: func(context.Context, int) (Place, error) {
			if first {
				return Place{Dir: dirs[0]}, nil
			}
			return Place{Dir: dirs[1]}, nil
		},
		Again: func(bool) bool {
			again := first
			first = false
			return again
		},
	}
	o := shell(`while read -r dir; do : >"$dir/$$"; echo fail; done`)
	o.Worker = true
	for res, err := range allResults(t.Context(), o, func(yield func(Job) bool) { yield(job) }) {
		if err != nil || !Failed(res.Err) || res.Attempts != 1 {
			t.Errorf("%d attempts, %v, %v", res.Attempts, res.Err, err)
		}
	}
	var names []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		names = append(names, entries[0].Name())
	}
	if names[0] != names[1] {
		t.Errorf("workers %q, want the same one", names)
	}
}
