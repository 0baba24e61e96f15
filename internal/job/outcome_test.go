package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Each source is told of once, with what has become of it, as far as the run has come: first those whose outputs are there.
func TestOutcomes(t *testing.T) {
	damaged := bad(t)["truncated"].name
	const missing = "/none/missing.tar"
	interrupted := errors.New("interrupted")
	for _, tt := range []struct {
		name     string
		policy   Policy
		command  string
		third    string // the third of four sources; each has two samples, a to h
		there    bool   // the second output is
		unpacked bool
		want     string
	}{
		{"all", Stop, "true", "", false, false,
			"0 published 2+0, 1 published 2+0, 2 published 2+0, 3 published 2+0"},
		{"one is there", Stop, "true", "", true, false,
			"0 published 2+0, 1 skipped 0+0, 2 published 2+0, 3 published 2+0"},
		{"nothing packed", Skip, "test $SAMPLE_KEY != b", "", true, true,
			"0 done 1+1, 1 done 2+0, 2 done 2+0, 3 done 2+0"},
		{"some failed", Skip, "test $SAMPLE_KEY != d", "", false, false,
			"0 published 2+0, 1 published 1+1, 2 published 2+0, 3 published 2+0"},
		{"all of one failed", Skip, "test $SAMPLE_KEY != c && test $SAMPLE_KEY != d", "", false, false,
			"0 published 2+0, 1 failed 0+2, 2 published 2+0, 3 published 2+0"},
		{"a failure stops", Stop, "test $SAMPLE_KEY != d", "", false, false, "0 published 2+0, 1 failed 1+1"},
		{"a failure in the first stops", Stop, "test $SAMPLE_KEY != a", "", true, false, "0 failed 0+1, 1 skipped 0+0"},
		{"damaged", Keep, "true", damaged, false, false,
			"0 published 2+0, 1 published 2+0, 2 failed 0+0, 3 published 2+0"},
		{"damaged stops", Stop, "true", damaged, false, false, "0 published 2+0, 1 published 2+0, 2 failed 0+0"},
		{"missing", Keep, "true", missing, false, false,
			"0 published 2+0, 1 published 2+0, 2 failed 0+0, 3 published 2+0"},
		{"missing stops", Stop, "true", missing, true, false, "1 skipped 0+0, 2 failed 0+0"},
		{"interrupted", Skip, `test $SAMPLE_KEY != d || { : >$DIR/now; sleep 1000; }`, "", false, false,
			"0 published 2+0, 1 interrupted 1+0"},
	} {
		b := newBench(t)
		in := shards(t, "a.x b.x", "c.x d.x", "e.x f.x", "g.x h.x")
		if tt.third != "" {
			in[2] = tt.third
		}
		names, err := source.ResolvePresent(in)
		shardtest.Check(t, err)
		o := b.each(tt.command, 4)
		o.OnError, o.Jobs, o.Env = tt.policy, 1, append(o.Env, "DIR="+b.dir)
		if tt.there {
			shardtest.Check(t, os.WriteFile(o.Outputs[1], []byte("old"), 0o644))
		}
		if tt.unpacked {
			o.Outputs, o.Output.Name = nil, ""
		}
		var got []string
		o.Ended = func(e Outcome) error {
			got = append(got, fmt.Sprintf("%d %s %d+%d", e.Source, e.Status, e.Summary.Done, e.Summary.Failed))
			if (e.Status == StatusFailed) != (e.Err != nil && e.Err != interrupted) {
				t.Errorf("%s: %s, with the error %v", tt.name, e.Status, e.Err)
			}
			if (e.Summary.Output != "") != (e.Status == StatusPublished) {
				t.Errorf("%s: %s as %q", tt.name, e.Status, e.Summary.Output)
			}
			return nil
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Run(ctx, names, o)
		}()
		if strings.Contains(tt.command, "$DIR/now") {
			testtime.Eventually(t, "a command of the second source", func() bool {
				_, err := os.Stat(b.path("now"))
				return err == nil && b.there(o) == "0"
			})
			cancel(interrupted)
		}
		testtime.Receive(t, ended, "the end of the run")
		cancel(nil)
		if tt.there && got[0] != "1 skipped 0+0" && !tt.unpacked {
			t.Errorf("%s: first %s", tt.name, got[0])
		}
		slices.Sort(got)
		if all := strings.Join(got, ", "); all != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, all, tt.want)
		}
		b.nothingElse()
	}
}

// An output that another process publishes while the run makes it is skipped, too, if those that are there are; else it is
// replaced, or an error.
func TestPublishedMeanwhile(t *testing.T) {
	for _, policy := range []output.IfExists{output.Skip, output.Overwrite, output.Fail} {
		for _, each := range []bool{true, false} {
			b := newBench(t)
			o := b.each(`test $SAMPLE_KEY != d || echo other >$DIR/out-1.tar`, 3)
			o.Env, o.Output.IfExists, o.Output.Name = append(o.Env, "DIR="+b.dir), policy, o.Outputs[1]
			if !each {
				o.Outputs = nil
			}
			var got []string
			o.Ended = func(e Outcome) error {
				got = append(got, string(e.Status))
				return nil
			}
			s, err := Run(t.Context(), b.names(shards(t, "a.x b.x", "c.x d.x", "e.x f.x")...), o)
			content, readErr := os.ReadFile(b.path("out-1.tar"))
			shardtest.Check(t, readErr)
			if kept := string(content) == "other\n"; kept != (policy != output.Overwrite) {
				t.Errorf("policy %d, each %v: the other output is kept: %v", policy, each, kept)
			}
			switch {
			case policy == output.Fail && !errors.Is(err, store.ErrExists),
				policy != output.Fail && each && (err != nil || s.Outputs+s.Existed != 3 || s.Err() != nil),
				policy == output.Skip && !each && !errors.Is(err, output.ErrSkip),
				policy == output.Overwrite && !each && err != nil:
				t.Errorf("policy %d, each %v: %+v, %v", policy, each, s, err)
			}
			if each && policy == output.Skip && !slices.Equal(got, []string{"published", "skipped", "published"}) {
				t.Errorf("told of %q", got)
			}
			b.nothingElse()
		}
	}
}
