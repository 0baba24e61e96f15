package job

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
	"golang.org/x/sys/unix"
)

// bench is the environment of a test's run.
type bench struct {
	*testing.T
	dir      string
	messages bytes.Buffer
}

func newBench(t *testing.T) *bench { return &bench{T: t, dir: t.TempDir()} }

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// options returns the options of a run of a shell command that packs into a file.
func (b *bench) options(command string) Options {
	u := &ui.UI{Out: &b.messages, Err: &b.messages}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	shardtest.Check(b, err)
	b.Cleanup(func() { null.Close() })
	return Options{
		Argv: []string{"/bin/sh", "-c", command}, Env: os.Environ(), Jobs: 3, Stdout: null, Stderr: null, UI: u,
		Output: output.Options{Name: b.path("out.tar"), UI: u},
		Workspace: workspace.Options{
			Mode: workspace.Copy, TempDir: b.dir, Source: source.Options{UI: u},
		},
	}
}

// names resolves names.
func (b *bench) names(names ...string) []source.Name {
	list, err := source.ResolveAll(names)
	shardtest.Check(b, err)
	return list
}

// members returns the names and contents of a tar's members: "a.x=text a.y=text".
func (b *bench) members(name string) string {
	f, err := os.Open(name)
	shardtest.Check(b, err)
	defer f.Close()
	var all []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return strings.Join(all, " ")
		}
		shardtest.Check(b, err)
		content, err := io.ReadAll(r)
		shardtest.Check(b, err)
		all = append(all, h.Name+"="+string(content))
	}
}

// tree makes a directory of sample directories, each with one member.
func (b *bench) tree(keys ...string) string {
	dir := b.path("tree")
	for _, key := range keys {
		shardtest.Check(b, os.MkdirAll(filepath.Join(dir, key), 0o755))
		shardtest.Check(b, os.WriteFile(filepath.Join(dir, key, "sample.x"), []byte(key), 0o644))
	}
	return dir
}

// Samples of two shards and of a directory go into one output, in order, and the report says where each is from.
func TestSeveralSources(t *testing.T) {
	b := newBench(t)
	first := shardtest.Write(t, "README", "a.x", "b.x", "LICENSE")
	second := shardtest.Write(t, "c.x", "NOTES", "d.x")
	third := b.tree("e", "f", "g")
	o := b.options(`printf '%s' "$SHARD $SAMPLE_INDEX" >sample.y`)
	o.Report = b.path("report")
	s, err := Run(t.Context(), b.names(first, second, third), o)
	shardtest.Check(t, err)
	if s.Done != 7 || s.Failed != 0 || s.Samples != 7 || !s.Completed {
		t.Errorf("summary: %+v", s)
	}
	want := strings.NewReplacer("1ST", first, "2ND", second, "3RD", third).Replace(
		"README=README a.x=a.x a.y=1ST 0 b.x=b.x b.y=1ST 1 LICENSE=LICENSE " +
			"c.x=c.x c.y=2ND 0 NOTES=NOTES d.x=d.x d.y=2ND 1 e.x=e e.y=3RD 0 f.x=f f.y=3RD 1 g.x=g g.y=3RD 2")
	if got := b.members(o.Output.Name); got != want {
		t.Errorf("output: %s\nwant %s", got, want)
	}
	report := []reported{
		{first, "a", "done", 0}, {first, "b", "done", 1}, {second, "c", "done", 0}, {second, "d", "done", 1},
		{third, "e", "done", 0}, {third, "f", "done", 1}, {third, "g", "done", 2},
	}
	if got := b.report(o.Report); !slices.Equal(got, report) {
		t.Errorf("report: %+v, want %+v", got, report)
	}
}

// reported has the fields of a report line that tests check.
type reported struct {
	Shard, Key, Status string
	Index              int
}

func (b *bench) report(name string) (lines []reported) {
	f, err := os.Open(name)
	shardtest.Check(b, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line reported
		shardtest.Check(b, json.Unmarshal(s.Bytes(), &line))
		lines = append(lines, line)
	}
	return lines
}

// A choice counts the samples of all sources together, and drops members outside samples.
func TestChoiceOverSources(t *testing.T) {
	b := newBench(t)
	names := b.names(
		shardtest.Write(t, "README", "a.x", "b.x"), shardtest.Write(t, "c.x", "d.x", "NOTES"),
		shardtest.Write(t, "e.x"),
	)
	o := b.options("true")
	o.Choice = pack.Choice{Skip: 1, Count: 2}
	s, err := Run(t.Context(), names, o)
	shardtest.Check(t, err)
	if got, want := b.members(o.Output.Name), "b.x=b.x c.x=c.x"; got != want || s.Done != 2 || s.Skipped != 1 {
		t.Errorf("output: %s, want %s; %+v", got, want, s)
	}
}

// A run over one source copies an unchanged shard byte for byte, and its report has no field for the source.
func TestOneSource(t *testing.T) {
	b := newBench(t)
	in := shardtest.Write(t, "README", "a.x", "b.x", "LICENSE")
	o := b.options("true")
	o.Report = b.path("report")
	_, err := Run(t.Context(), b.names(in), o)
	shardtest.Check(t, err)
	want, err := os.ReadFile(in)
	shardtest.Check(t, err)
	if got, err := os.ReadFile(o.Output.Name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the output differs from the shard: %v", err)
	}
	if report, err := os.ReadFile(o.Report); err != nil || bytes.Contains(report, []byte("shard")) {
		t.Errorf("report: %s, %v", report, err)
	}
}

// An interrupted run over several sources can be resumed, and its outputs and report equal those of an uninterrupted
// run.
func TestResumeSeveral(t *testing.T) {
	in := []string{
		shardtest.Write(t, "README", "a.x", "b.x", "c.x", "LICENSE"),
		shardtest.Write(t, "d.x", "NOTES", "e.x", "f.x", "END"),
		shardtest.Write(t, "g.x"), shardtest.Write(t, "FIRST", "h.x", "i.x"),
	}
	for _, choice := range []pack.Choice{{}, {Skip: 1, Count: 7}} {
		whole := newBench(t)
		_, err := Run(t.Context(), whole.names(in...), whole.resumable(choice))
		shardtest.Check(t, err)
		for _, stop := range []string{"d", "e", "f", "g", "h"} {
			b := newBench(t)
			o := b.resumable(choice)
			samples := b.interrupt(o, b.names(in...), stop)
			o.Resume = true
			s, err := Run(t.Context(), b.names(in...), o)
			shardtest.Check(t, err)
			if !strings.Contains(b.messages.String(), "continuing after "+ui.Count(samples, "sample")) {
				t.Errorf("%+v, interrupted at %s: messages: %s", choice, stop, b.messages.String())
			}
			if want := s.Done + s.Failed; choice.Count == 0 && want != 9 || choice.Count != 0 && want != 7 {
				t.Errorf("%+v, interrupted at %s: %+v", choice, stop, s)
			}
			for _, name := range []string{"out.tar", "failed.tar"} {
				if got, want := b.members(b.path(name)), whole.members(whole.path(name)); got != want {
					t.Errorf("%+v, interrupted at %s: %s: %s, want %s", choice, stop, name, got, want)
				}
			}
			if got, want := b.report(o.Report), whole.report(whole.path("report")); !slices.Equal(got, want) {
				t.Errorf("%+v, interrupted at %s: report: %+v, want %+v", choice, stop, got, want)
			}
		}
	}
}

// A plain part that was damaged since the run was interrupted is not continued. Compressed ones have checksums.
func TestPartDamaged(t *testing.T) {
	in := shardtest.Write(t, "a.x", "b.x", "c.x", "d.x", "e.x")
	b := newBench(t)
	o := b.resumable(pack.Choice{})
	b.interrupt(o, b.names(in), "e")
	parts, err := filepath.Glob(b.path(".out.tar.shardfs-part-*"))
	if err != nil || len(parts) != 1 {
		t.Fatal(parts, err)
	}
	content, err := os.ReadFile(parts[0])
	shardtest.Check(t, err)
	content[700] ^= 1
	shardtest.Check(t, os.WriteFile(parts[0], content, 0o600))
	o.Resume = true
	if _, err := Run(t.Context(), b.names(in), o); !errors.Is(err, output.ErrPart) {
		t.Errorf("continued: %v", err)
	}
	if _, err := os.Stat(o.Output.Name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the output was published: %v", err)
	}
}

// A shard that a run over several has finished and closed may not change until the output is published, not even while
// the run is interrupted.
func TestFinishedShardChanged(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		b := newBench(t)
		in := []string{shardtest.Write(t, "a.x"), shardtest.Write(t, "b.x", "c.x", "d.x", "e.x")}
		o := b.resumable(pack.Choice{})
		o.Argv = []string{"/bin/sh", "-c", o.Argv[2] + `; test $SAMPLE_KEY != e || test "$STOP" || touch ` + in[0]}
		if interrupted {
			b.interrupt(o, b.names(in...), "e")
			o.Resume = true
		}
		_, err := Run(t.Context(), b.names(in...), o)
		if !errors.Is(err, store.ErrChanged) || !strings.Contains(err.Error(), in[0]) {
			t.Errorf("interrupted %v: %v", interrupted, err)
		}
		for _, name := range []string{"out.tar", "failed.tar"} {
			if _, err := os.Stat(b.path(name)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("interrupted %v: %s: %v", interrupted, name, err)
			}
		}
	}
}

// resumable returns the options of a run that fails in some samples. In the sample with the key $STOP it writes to the
// FIFO $REACHED and then hangs.
func (b *bench) resumable(choice pack.Choice) Options {
	o := b.options(`if test "$SAMPLE_KEY" = "$STOP"; then echo >"$REACHED"; exec sleep 1000; fi
		case $SAMPLE_KEY in b|d|h) exit 1; esac; echo >sample.y`)
	o.OnError, o.Choice, o.Report, o.Jobs = Skip, choice, b.path("report"), 1
	o.Checkpoints = b.dir
	o.Failed = output.Options{Name: b.path("failed.tar"), UI: o.UI, Pack: pack.Options{DropOutside: true}}
	return o
}

// interrupt runs until the sample with a key is reached, and returns after how many samples the run can be resumed.
// With one command at a time, all samples up to the third one before it have then certainly been handled.
func (b *bench) interrupt(o Options, names []source.Name, key string) (samples int) {
	stopped := new(StoppedError)
	if err := b.interruptAt(o, names, key); !errors.As(err, &stopped) {
		b.Fatalf("interrupted at %s: %v", key, err)
	}
	return stopped.Samples
}

// interruptAt runs until the sample with a key is reached, and returns the error.
func (b *bench) interruptAt(o Options, names []source.Name, key string) error {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	reached := b.path("reached")
	shardtest.Check(b, unix.Mkfifo(reached, 0o600))
	o.Env = append(o.Env, "STOP="+key, "REACHED="+reached)
	go func() {
		defer cancel()
		os.ReadFile(reached)
	}()
	r, err := newRun(ctx, names, o)
	shardtest.Check(b, err)
	r.points.share = 0
	if _, err = r.run(ctx); !errors.Is(err, context.Canceled) {
		b.Fatalf("interrupted at %s: %v", key, err)
	}
	return err
}

// A checkpoint of a version without runs over several sources can still be read.
func TestOldCheckpoint(t *testing.T) {
	b := newBench(t)
	part := ".out.tar.shardfs-part-" + strings.Repeat("A", 26)
	shardtest.Check(t, os.WriteFile(b.path(part), nil, 0o600))
	old := `{"version":1,"output":"` + b.path("out.tar") + `","part":"` + part + `",
		"run":[["version of shardfs","dev"],["shard","in.tar {Size:1} "],["command","[\"true\"]"]],
		"samples":7,"failed":[3,5],"bytes_in":900,"report":80,
		"mark":{"samples":5,"members":9,"bytes":700,"left_out":1,"emptied":2,"lacking":3,"others":4,
			"row":6,"copied":512,"last_key":"YQ==","intact":true},"tail":"AAE="}`
	shardtest.Check(t, os.WriteFile(b.path(CheckpointFile), []byte(old), 0o600))
	c, err := readCheckpoint(t.Context(), b.path(CheckpointFile), output.Options{})
	shardtest.Check(t, err)
	want := checkpoint{
		Version: 1, Output: anytext.Text(b.path("out.tar")),
		Run:      Settings{{"version of shardfs", "dev"}, {"shard", "in.tar {Size:1} "}, {"command", `["true"]`}},
		progress: progress{Samples: 7, Failed: []int{3, 5}, BytesIn: 900, Report: 80},
		Position: output.Position{Part: anytext.Text(part), Tail: []byte{0, 1}, Mark: pack.Position{
			Summary: pack.Summary{Samples: 5, Members: 9, Bytes: 700, LeftOut: 1, Emptied: 2, Lacking: 3, Outside: 4},
			Row:     6, Copied: 512, LastKey: []byte("a"), Intact: true,
		}},
	}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("%+v\nwant %+v", *c, want)
	}
	now := Settings{{"shard", "in.tar {Size:1} "}, {"version of shardfs", "dev"}, {"command", `["false"]`}}
	if got := now.differs(c.Run); got != "command" {
		t.Errorf("differs in %q, want the command", got)
	}
}
