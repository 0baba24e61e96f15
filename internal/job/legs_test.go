package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// each returns the options of a run of a shell command over n sources, each with its own output, and those of them that
// are there are skipped.
func (b *bench) each(command string, n int) Options {
	o := b.options(command)
	o.Output.IfExists = output.Skip
	for i := range n {
		o.Outputs = append(o.Outputs, b.path(fmt.Sprintf("out-%d.tar", i)))
	}
	return o
}

// shards makes a shard with each list of members.
func shards(t *testing.T, members ...string) (names []string) {
	for _, list := range members {
		names = append(names, shardtest.Write(t, strings.Fields(list)...))
	}
	return names
}

// there returns which of the outputs are there: "0 2".
func (b *bench) there(o Options) string {
	var there []string
	for i, name := range o.Outputs {
		if _, err := os.Stat(name); err == nil {
			there = append(there, fmt.Sprint(i))
		}
	}
	return strings.Join(there, " ")
}

// nothingElse fails the test if there are temporary files.
func (b *bench) nothingElse() {
	b.Helper()
	for _, pattern := range []string{".*", "shardfs-*"} {
		if left, _ := filepath.Glob(b.path(pattern)); len(left) > 0 {
			b.Errorf("left behind: %q", left)
		}
	}
}

// The last command of a shard and the first of the next one run side by side, whatever becomes of the samples.
func TestSideBySide(t *testing.T) {
	in := shards(t, "a.x", "b.x", "c.x")
	for _, mode := range []string{"an output each", "one output", "no output"} {
		b := newBench(t)
		// Each waits for its neighbours, so that no two of them end before both run.
		o := b.each(`touch $DIR/$SAMPLE_KEY
			case $SAMPLE_KEY in a) other=b ;; b) other=c ;; *) other=b ;; esac
			until test -e $DIR/$other; do sleep 0.01; done`, 3)
		o.Env, o.Jobs = append(o.Env, "DIR="+b.dir), 3
		switch mode {
		case "one output":
			o.Outputs = nil
		case "no output":
			o.Outputs, o.Output.Name = nil, ""
		}
		s, err := Run(t.Context(), b.names(in...), o)
		if err != nil || s.Done != 3 {
			t.Errorf("%s: %+v, %v", mode, s, err)
		}
		b.nothingElse()
	}
}

// Each output has the bytes of a run over its shard alone; what is there is not made again, and a run that has nothing to
// do touches nothing.
func TestOutputsEach(t *testing.T) {
	in := shards(t, "README a.x b.x LICENSE", "c.x NOTES d.x", "e.x", "FIRST f.x g.x")
	for _, format := range []string{".tar", ".tar.gz"} {
		for _, choice := range []pack.Choice{{}, {Skip: 1, Count: 5}} {
			b := newBench(t)
			o := b.each(`echo $SAMPLE_KEY >>$DIR/ran; test $SAMPLE_KEY = c || echo $SHARD >sample.y`, 4)
			for i := range o.Outputs {
				o.Outputs[i] = strings.TrimSuffix(o.Outputs[i], ".tar") + format
			}
			o.Env, o.Choice, o.Report = append(o.Env, "DIR="+b.dir), choice, b.path("report")
			var published []string
			o.Ended = func(e Outcome) error {
				if e.Status == StatusPublished {
					published = append(published, filepath.Base(e.Summary.Output))
				}
				return nil
			}
			want := make([][]byte, len(in))
			for i, name := range in {
				if choice.Count == 0 {
					single := o
					single.Outputs, single.Report, single.Output.Name = nil, "", b.path("single"+format)
					single.Output.IfExists = output.Overwrite
					_, err := Run(t.Context(), b.names(name), single)
					shardtest.Check(t, err)
					want[i], err = os.ReadFile(single.Output.Name)
					shardtest.Check(t, err)
				}
			}
			for missing := -1; missing < len(in); missing++ {
				os.Remove(b.path("ran"))
				published = nil
				if missing >= 0 {
					shardtest.Check(t, os.Remove(o.Outputs[missing]))
				}
				s, err := Run(t.Context(), b.names(in...), o)
				shardtest.Check(t, err)
				ran, _ := os.ReadFile(b.path("ran"))
				keys := [][]string{{"a", "b"}, {"c", "d"}, {"e"}, {"f", "g"}}
				if choice.Count > 0 {
					keys = [][]string{{"b"}, {"c", "d"}, {"e"}, {"f"}}
				}
				wanted := slices.Concat(keys...)
				if missing >= 0 {
					wanted = keys[missing]
				}
				got := strings.Fields(string(ran))
				slices.Sort(got)
				if !slices.Equal(got, wanted) || s.Done != len(wanted) || s.Outputs != len(published) ||
					s.Outputs+s.Existed != len(in) || s.Err() != nil {
					t.Errorf("%s, without %d: ran %q, want %q; %+v", format, missing, got, wanted, s)
				}
				for i, name := range o.Outputs {
					if got, err := os.ReadFile(name); err != nil || want[i] != nil && !bytes.Equal(got, want[i]) {
						t.Errorf("%s differs from that of a run over one shard: %v", name, err)
					}
				}
				if n := len(b.report(o.Report)); n != len(slices.Concat(keys...)) {
					t.Errorf("without %d: the report has %d lines", missing, n)
				}
			}
			before, err := os.Stat(o.Report)
			shardtest.Check(t, err)
			o.Argv = []string{"/bin/false"}
			s, err := Run(t.Context(), b.names(in...), o)
			shardtest.Check(t, err)
			if s.Existed != 4 || s.Done+s.Failed != 0 || !s.Completed || s.Err() != nil {
				t.Errorf("with nothing to do: %+v", s)
			}
			after, err := os.Stat(o.Report)
			if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
				t.Errorf("the report was touched: %v", err)
			}
			b.nothingElse()
		}
	}
}

// Outputs that exist are found before any shard is opened: theirs may be gone. One that must not exist ends the run before
// any work.
func TestOutputsExist(t *testing.T) {
	b := newBench(t)
	in := shards(t, "a.x", "b.x")
	o := b.each("touch $DIR/ran-$SAMPLE_KEY", 2)
	o.Env = append(o.Env, "DIR="+b.dir)
	shardtest.Check(t, os.WriteFile(o.Outputs[1], []byte("old"), 0o644))
	o.Output.IfExists = output.Fail
	if _, err := Run(t.Context(), b.names(in...), o); !errors.Is(err, store.ErrExists) ||
		!strings.Contains(err.Error(), o.Outputs[1]) || b.there(o) != "1" {
		t.Errorf("fail: %v, there are %q", err, b.there(o))
	}
	o.Output.IfExists = output.Skip
	shardtest.Check(t, os.Remove(in[1]))
	names, err := source.ResolvePresent(in)
	shardtest.Check(t, err)
	s, err := Run(t.Context(), names, o)
	if err != nil || s.Outputs != 1 || s.Existed != 1 || s.Err() != nil {
		t.Errorf("skip: %+v, %v", s, err)
	}
	if ran, _ := filepath.Glob(b.path("ran-*")); len(ran) != 1 {
		t.Errorf("ran %q", ran)
	}
	o.Output.IfExists = output.Overwrite
	s, err = Run(t.Context(), b.names(in[0], in[0]), o)
	if err != nil || s.Outputs != 2 || s.Existed != 0 || b.members(o.Outputs[1]) != "a.x=a.x" {
		t.Errorf("overwrite: %+v, %v: %s", s, err, b.members(o.Outputs[1]))
	}
}

// bad makes shards that cannot be run over, by what is wrong with them.
func bad(t *testing.T) map[string]struct {
	name string
	want error
} {
	t.Helper()
	dir := t.TempDir()
	whole, err := os.ReadFile(shardtest.Write(t, "x.x", "y.x", "z.x"))
	shardtest.Check(t, err)
	write := func(name string, content []byte) string {
		name = filepath.Join(dir, name)
		shardtest.Check(t, os.WriteFile(name, content, 0o644))
		return name
	}
	return map[string]struct {
		name string
		want error
	}{
		"missing":    {filepath.Join(dir, "missing.tar"), fs.ErrNotExist},
		"no tar":     {write("text.tar", bytes.Repeat([]byte("text"), 1000)), index.ErrNotTar},
		"truncated":  {write("cut.tar", whole[:1200]), index.ErrTruncated},
		"empty":      {shardtest.Write(t), pack.ErrEmpty},
		"no samples": {shardtest.Write(t, "README"), pack.ErrEmpty},
	}
}

// A shard that cannot be run over does not stop the others, unless that is the policy.
func TestBadShard(t *testing.T) {
	for what, damaged := range bad(t) {
		for _, policy := range []Policy{Stop, Skip, Keep} {
			for at := range 3 {
				b := newBench(t)
				in := slices.Insert(shards(t, "a.x b.x", "c.x d.x"), at, damaged.name)
				o := b.each("true", 3)
				o.OnError, o.Report = policy, b.path("report")
				o.Failed = output.Options{Name: b.path("failed"), UI: o.UI}
				for i := range in {
					o.FailedOutputs = append(o.FailedOutputs, b.path(fmt.Sprintf("failed-%d.tar", i)))
				}
				names, err := source.ResolvePresent(in)
				shardtest.Check(t, err)
				s, err := Run(t.Context(), names, o)
				want := []string{"1 2", "0 2", "0 1"}[at]
				if policy == Stop {
					want = []string{"", "0", "0 1"}[at]
					if what == "missing" {
						want = "" // that is known before any work
					}
				} else if err == nil {
					err = s.Err()
				}
				if policy == Stop && !errors.Is(err, damaged.want) || policy != Stop && !errors.Is(err, ErrPartial) {
					t.Errorf("%s at %d, policy %d: %v", what, at, policy, err)
				}
				if policy != Stop && (len(s.GivenUp) != 1 || !errors.Is(s.GivenUp[0], damaged.want)) {
					t.Errorf("%s at %d, policy %d: given up: %v", what, at, policy, s.GivenUp)
				}
				if got := b.there(o); got != want {
					t.Errorf("%s at %d, policy %d: outputs %q, want %q", what, at, policy, got, want)
				}
				if policy != Stop {
					if said := strings.Count(b.messages.String(), "error: "+damaged.name+": "); said != 1 {
						t.Errorf("%s: messages: %s", what, b.messages.String())
					}
					lines := b.report(o.Report)
					if i := slices.Index(lines, reported{damaged.name, "", "failed", 0}); len(lines) != 5 || i < 0 {
						t.Errorf("%s at %d: report %+v", what, at, lines)
					}
				}
				b.nothingElse()
			}
		}
	}
}

// If no shard can be run over, the error is that of the first.
func TestAllBad(t *testing.T) {
	b := newBench(t)
	damaged := bad(t)
	names, err := source.ResolvePresent([]string{damaged["missing"].name, damaged["no tar"].name})
	shardtest.Check(t, err)
	o := b.each("true", 2)
	o.OnError = Skip
	s, err := Run(t.Context(), names, o)
	if err != nil || !errors.Is(s.Err(), fs.ErrNotExist) || !errors.As(s.Err(), new(*ui.ReportedError)) {
		t.Errorf("%v, %v", err, s.Err())
	}
}

// A shard that is written to while commands run in it is given up, with what was made of it, and the others go on.
func TestChangedShard(t *testing.T) {
	b := newBench(t)
	in := shards(t, "a.x", "b.x c.x d.x e.x", "f.x")
	o := b.each("test $SAMPLE_KEY != c || touch $CHANGED", 3)
	o.Env, o.OnError = append(o.Env, "CHANGED="+in[1]), Keep
	s, err := Run(t.Context(), b.names(in...), o)
	if err != nil || len(s.GivenUp) != 1 || !errors.Is(s.GivenUp[0], store.ErrChanged) || b.there(o) != "0 2" {
		t.Errorf("%+v, %v; there are %q", s, err, b.there(o))
	}
	b.nothingElse()
}

// Failed samples are put aside for each shard or for all; a shard of which nothing is left has no output.
func TestFailedEach(t *testing.T) {
	in := shards(t, "README a.x b.x", "c.x d.x", "e.x f.x")
	for _, each := range []bool{true, false} {
		b := newBench(t)
		o := b.each("case $SAMPLE_KEY in b|c|d) exit 1; esac", 3)
		o.OnError, o.Failed = Skip, output.Options{Name: b.path("failed.tar"), UI: o.UI}
		o.Failed.Pack.DropOutside = true
		want := map[string]string{"failed.tar": "b.x=b.x c.x=c.x d.x=d.x"}
		if each {
			for i := range in {
				o.FailedOutputs = append(o.FailedOutputs, b.path(fmt.Sprintf("failed-%d.tar", i)))
			}
			want = map[string]string{"failed-0.tar": "b.x=b.x", "failed-1.tar": "c.x=c.x d.x=d.x", "failed-2.tar": ""}
		}
		s, err := Run(t.Context(), b.names(in...), o)
		if err != nil || !errors.Is(s.Err(), ErrPartial) || s.Failed != 3 || s.Done != 3 || b.there(o) != "0 2" {
			t.Errorf("%+v, %v; there are %q", s, err, b.there(o))
		}
		for name, members := range want {
			if got := b.members(b.path(name)); got != members {
				t.Errorf("%s has %q, want %q", name, got, members)
			}
		}
		b.nothingElse()
	}
}

// So they are if all shards go into one output, and if nothing is packed.
func TestFailedEachOfOne(t *testing.T) {
	in := shards(t, "README a.x b.x", "c.x d.x", "e.x f.x")
	for _, packed := range []bool{true, false} {
		b := newBench(t)
		o := b.options("case $SAMPLE_KEY in b|c|d) exit 1; esac")
		o.OnError, o.Failed = Skip, output.Options{Name: b.path("failed"), UI: o.UI}
		o.Failed.Pack.DropOutside = true
		for i := range in {
			o.FailedOutputs = append(o.FailedOutputs, b.path(fmt.Sprintf("failed-%d.tar", i)))
		}
		wanted := ErrPartial
		if !packed {
			o.Output.Name, wanted = "", ErrSampleFailed
		}
		s, err := Run(t.Context(), b.names(in...), o)
		if err != nil || !errors.Is(s.Err(), wanted) || s.Failed != 3 || s.Done != 3 {
			t.Errorf("packed %v: %+v, %v, %v", packed, s, s.Err(), err)
		}
		if packed {
			if got, want := b.members(o.Output.Name), "README=README a.x=a.x e.x=e.x f.x=f.x"; got != want {
				t.Errorf("the output has %q, want %q", got, want)
			}
		}
		for i, want := range []string{"b.x=b.x", "c.x=c.x d.x=d.x", ""} {
			if got := b.members(o.FailedOutputs[i]); got != want {
				t.Errorf("packed %v: %s has %q, want %q", packed, o.FailedOutputs[i], got, want)
			}
		}
		b.nothingElse()
	}
}

// All shards count for --max-failed, and no output is published once too many samples have failed.
func TestMaxFailedEach(t *testing.T) {
	in := shards(t, "a.x b.x", "c.x d.x", "e.x f.x", "g.x h.x")
	for limit, want := range map[string]string{"1": "0 1", "2": "0 1", "50%": "0 1", "30%": "0", "90%": "0 1 2 3"} {
		b := newBench(t)
		o := b.each("case $SAMPLE_KEY in a|d|f) exit 1; esac", 4)
		if limit == "1" {
			want = "0"
		}
		if limit == "30%" {
			want = ""
		}
		if limit == "50%" {
			want = "0 1 2 3"
		}
		o.OnError = Keep
		var err error
		o.MaxFailed, err = ParseLimit(limit)
		shardtest.Check(t, err)
		_, err = Run(t.Context(), b.names(in...), o)
		if b.there(o) != want || errors.Is(err, ErrSampleFailed) != (want != "0 1 2 3") {
			t.Errorf("limit %s: there are %q, want %q: %v", limit, b.there(o), want, err)
		}
	}
}

// However many shards there are, few are open at a time.
func TestFewOpen(t *testing.T) {
	b := newBench(t)
	var in []string
	for i := range 30 {
		in = append(in, shardtest.Write(t, fmt.Sprintf("k%d.x", i)))
	}
	o := b.each(`ls -d $DIR/shardfs-* | wc -l >>$DIR/open`, 30)
	o.Env, o.Jobs = append(o.Env, "DIR="+b.dir), 8
	_, err := Run(t.Context(), b.names(in...), o)
	shardtest.Check(t, err)
	open, err := os.ReadFile(b.path("open"))
	shardtest.Check(t, err)
	for n := range strings.FieldsSeq(string(open)) {
		if len(n) > 1 || n > fmt.Sprint(maxOpen) {
			t.Errorf("%s workspaces are open, at most %d are wanted", n, maxOpen)
		}
	}
}

// A worker serves samples of all shards, and knows the shard of each by its __source__ only.
func TestWorkerOverShards(t *testing.T) {
	b := newBench(t)
	in := shards(t, "a.x b.x", "c.x", "d.x")
	o := b.each("", 3)
	script := `while read -r d; do
		printf '%s %s' "$$" "${SHARD-none}" >"$d/sample.by"; cp "$d/__source__" "$d/sample.of"; echo ok
	done`
	o.Argv, o.Worker, o.Jobs, o.Env = []string{"/bin/sh", "-c", script}, true, 1, append(o.Env, "SHARD=mine")
	_, err := Run(t.Context(), b.names(in...), o)
	shardtest.Check(t, err)
	all := ""
	for i, name := range o.Outputs {
		members := b.members(name)
		if !strings.Contains(members, ".of="+in[i]) {
			t.Errorf("%s", members)
		}
		all += members + " "
	}
	pids := make(map[string]bool)
	for _, m := range strings.SplitAfter(all, ".by=")[1:] {
		pid, rest, _ := strings.Cut(m, " ")
		pids[pid] = true
		if !strings.HasPrefix(rest, "none") {
			t.Errorf("a worker has SHARD %s", rest)
		}
	}
	if len(pids) != 1 {
		t.Errorf("%d workers", len(pids))
	}
}

// An interrupted run of which each shard has an output is continued in the shard that was interrupted, and the outputs equal
// those of an uninterrupted run.
func TestResumeEach(t *testing.T) {
	in := shards(t, "README a.x b.x c.x LICENSE", "d.x NOTES e.x f.x END", "g.x", "FIRST h.x i.x")
	options := func(b *bench, choice pack.Choice, format string, each bool) Options {
		o := b.resumable(choice)
		o.Output.IfExists = output.Skip
		for i := range in {
			o.Outputs = append(o.Outputs, b.path(fmt.Sprintf("out-%d%s", i, format)))
			if each {
				o.FailedOutputs = append(o.FailedOutputs, b.path(fmt.Sprintf("failed-%d.tar", i)))
			}
		}
		return o
	}
	for _, format := range []string{".tar", ".tar.zst"} {
		for _, each := range []bool{false, true} {
			for _, choice := range []pack.Choice{{}, {Skip: 1, Count: 7}} {
				whole := newBench(t)
				_, err := Run(t.Context(), whole.names(in...), options(whole, choice, format, each))
				shardtest.Check(t, err)
				for _, stop := range []string{"d", "e", "f", "g", "h"} {
					b := newBench(t)
					o := options(b, choice, format, each)
					b.interruptAt(o, b.names(in...), stop)
					published := b.there(o)
					before := b.report(o.Report)
					o.Resume = true
					s, err := Run(t.Context(), b.names(in...), o)
					shardtest.Check(t, err)
					if !errors.Is(s.Err(), ErrPartial) || s.Existed != len(strings.Fields(published)) {
						t.Errorf("interrupted at %s, with %q: %+v, %v", stop, published, s, s.Err())
					}
					var names []string
					for _, name := range slices.Concat(o.Outputs, o.FailedOutputs, []string{b.path("report")}) {
						names = append(names, filepath.Base(name))
					}
					for _, name := range names[:len(names)-1] {
						got, err := os.ReadFile(b.path(name))
						want, wantErr := os.ReadFile(whole.path(name)) // none if all of its samples have failed
						if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
							t.Errorf("interrupted at %s, with %q: %s differs: %v", stop, published, name, err)
						}
					}
					if got, want := b.report(o.Report), whole.report(whole.path("report")); !slices.Equal(got, want) {
						t.Errorf("interrupted at %s: report: %+v, want %+v; before %+v", stop, got, want, before)
					}
					b.nothingElse()
				}
			}
		}
	}
}

// An output that cannot be created is no fault of its shard: it ends the run under every policy.
func TestOutputNotCreated(t *testing.T) {
	b := newBench(t)
	o := b.each("true", 3)
	o.OnError, o.Outputs[1] = Skip, b.path("none/out.tar")
	_, err := Run(t.Context(), b.names(shards(t, "a.x", "b.x", "c.x")...), o)
	if !errors.Is(err, store.ErrNoDir) || b.there(o) != "0" {
		t.Errorf("%v; there are %q", err, b.there(o))
	}
	b.nothingElse()
}

// A command that a signal has ended just before the run is told to end, too, leaves no output without its sample.
func TestSignalOfAll(t *testing.T) {
	for _, policy := range []Policy{Skip, Keep} {
		for _, each := range []bool{false, true} {
			b := newBench(t)
			in := shards(t, "a.x b.x")
			o := b.options("test $SAMPLE_KEY = a || kill -TERM $$")
			if each {
				o = b.each("test $SAMPLE_KEY = a || kill -TERM $$", 1)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			told := errors.New("told to end")
			tell := func() { cancel(told) }
			o.OnError, o.UI.Err = policy, onWrite(func() { time.AfterFunc(20*time.Millisecond, tell) })
			if _, err := Run(ctx, b.names(in...), o); !errors.Is(err, told) {
				t.Errorf("%v, each %v: %v", policy, each, err)
			}
			if left, _ := filepath.Glob(b.path("*.tar")); len(left) > 0 {
				t.Errorf("%v, each %v: published: %q", policy, each, left)
			}
		}
	}
}

// onWrite is a writer that calls a function for each message.
type onWrite func()

func (w onWrite) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}
