package job

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/web"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// far is a shard on a server, the same in a file, and an engine with too little memory for it.
type far struct {
	*bench
	server  *faultserver.Server
	engine  *remote.Engine
	content []byte
	local   string
	url     string
}

// fetchedAhead is how much of a shard may be fetched before it is needed.
const fetchedAhead = 48 << 20

func newFar(t *testing.T) *far {
	f := &far{bench: newBench(t), server: faultserver.New(t)}
	noise, random := make([]byte, 100_000), rand.NewChaCha8([32]byte{1})
	var shard bytes.Buffer
	w := tar.NewWriter(&shard)
	add := func(name string, content []byte) {
		h := &tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, ModTime: shardtest.ModTime()}
		shardtest.Check(t, w.WriteHeader(h))
		_, err := w.Write(content)
		shardtest.Check(t, err)
	}
	for i := range 500 {
		random.Read(noise)
		add(fmt.Sprintf("d/%04d.jpg", i), noise)
		add(fmt.Sprintf("d/%04d.cls", i), []byte{byte(i)})
		if i%100 == 0 {
			add(fmt.Sprintf("NOTES %d", i), []byte("between samples"))
		}
		add(fmt.Sprintf("d/%04d.png", i), noise[:90_000])
	}
	shardtest.Check(t, w.Close())
	f.content, f.local, f.url = shard.Bytes(), f.path("local.tar"), f.server.URL+"/plain/far.tar"
	shardtest.Check(t, os.WriteFile(f.local, f.content, 0o644))
	f.server.Put("far.tar", f.content)
	f.engine = remote.NewEngine(remote.Options{Cache: ahead.NewCache(ahead.Options{Memory: fetchedAhead})})
	t.Cleanup(f.engine.Close)
	return f
}

// run returns the options of a run over the shard, wherever it is.
func (f *far) run(command string) Options {
	o := f.options(command)
	o.Workspace.Source.Shard = shard.Options{Store: store.ByScheme(map[string]store.Store{
		store.FileScheme: file.Store{}, "http": remote.New(f.engine, web.Service{}),
	})}
	return o
}

// want returns what a run over the shard in a file writes.
func (f *far) want(command string) []byte {
	o := f.run(command)
	o.Output.Name = f.path("want.tar")
	_, err := Run(f.Context(), f.names(f.local), o)
	shardtest.Check(f, err)
	b, err := os.ReadFile(o.Output.Name)
	shardtest.Check(f, err)
	return b
}

// output fails the test if the output is not as wanted.
func (f *far) output(o Options, want []byte) {
	f.Helper()
	if got, err := os.ReadFile(o.Output.Name); err != nil || !bytes.Equal(got, want) {
		f.Errorf("%d bytes of output, %v; %d are wanted, or others", len(got), err, len(want))
	}
}

// Each byte of a remote shard without an index is fetched once, whether it is then copied, changed or left as it is.
func TestRemoteFetchedOnce(t *testing.T) {
	for _, command := range []string{"true", "cat sample.jpg >sample.copy; rm sample.png"} {
		f := newFar(t)
		want := f.want(command)
		if command == "true" && !bytes.Equal(want, f.content) {
			t.Error("an unchanged shard is packed in another way")
		}
		o := f.run(command)
		o.Workspace.Mode = workspace.Auto
		s, err := Run(t.Context(), f.names(f.url), o)
		shardtest.Check(t, err)
		f.output(o, want)
		if s.Done != 500 || s.BytesIn == 0 {
			t.Errorf("%s: summary: %+v", command, s)
		}
		f.fetched(command, len(f.content), len(f.content)*11/10)
	}
}

// fetched fails the test if the engine has fetched more than a number of bytes, or less than another one.
func (f *far) fetched(story string, least, most int) {
	f.Helper()
	if got := int(f.engine.Stats().Bytes); got < least || got > most {
		f.Errorf("%s: %d bytes were fetched of %d", story, got, len(f.content))
	}
}

// So is each byte of one with an index at hand.
func TestRemoteIndexedFetchedOnce(t *testing.T) {
	f := newFar(t)
	want := f.want("cat sample.cls >sample.copy")
	o := f.run("cat sample.cls >sample.copy")
	o.Workspace.Mode = workspace.Auto
	o.Workspace.Source.Shard.CacheDir = f.path("cache")
	sh, err := shard.Open(t.Context(), f.url, o.Workspace.Source.Shard)
	shardtest.Check(t, err)
	shardtest.Check(t, sh.Close())
	before := int(f.engine.Stats().Bytes)
	_, err = Run(t.Context(), f.names(f.url), o)
	shardtest.Check(t, err)
	f.output(o, want)
	f.fetched("with an index", before+len(f.content), before+len(f.content)*11/10)
}

// Runs that only look, or that take some samples, do not wait for the index of a remote shard, and fetch nothing twice.
func TestRemoteWithoutOutput(t *testing.T) {
	for _, tt := range []struct {
		choice      pack.Choice
		least, most float64 // of the shard
		done        int
	}{
		{pack.Choice{}, 1, 1.1, 500},
		{pack.Choice{Count: 10}, 0, 0.6, 10},
		{pack.Choice{Skip: 10, Count: 10}, 0, 0.6, 10},
		{pack.Choice{Keys: pack.NewKeys("keys", []string{"d/0003"})}, 0, 1.1, 1}, // it may come again
	} {
		f := newFar(t)
		o := f.run("test -s sample.jpg")
		o.Workspace.Mode, o.Output.Name, o.Choice = workspace.Auto, "", tt.choice
		s, err := Run(t.Context(), f.names(f.url), o)
		if err != nil || s.Done != tt.done {
			t.Errorf("%+v: %+v, %v", tt.choice, s, err)
		}
		size := float64(len(f.content))
		f.fetched(fmt.Sprintf("%+v", tt.choice), int(tt.least*size), int(tt.most*size))
	}
}

// A choice of samples of several remote shards does not wait for the index of one.
func TestRemoteSeveral(t *testing.T) {
	f := newFar(t)
	f.server.Put("other.tar", f.content)
	o := f.run("test -s sample.jpg")
	o.Workspace.Mode, o.Choice, o.Output.Name = workspace.Auto, pack.Choice{Count: 10}, ""
	o.Workspace.Source.Shard.CacheDir = f.path("cache")
	s, err := Run(t.Context(), f.names(f.url, f.server.URL+"/plain/other.tar"), o)
	if err != nil || s.Done != 10 {
		t.Errorf("%+v, %v", s, err)
	}
	f.fetched("ten samples of two shards", 0, 2*len(f.content)*4/5)
}

// waits is a command that says that it has begun sample 50, and waits there.
func (f *far) waits() string {
	return fmt.Sprintf(`[ "$SAMPLE_INDEX" != 50 ] || { >%[1]s/begun; while ! [ -e %[1]s/go ]; do sleep 0.01; done; }
		printf %%s "$SAMPLE_KEY" >sample.new`, f.dir)
}

func (f *far) exists(name string) bool {
	_, err := os.Stat(f.path(name))
	return err == nil
}

func (f *far) letGo() { shardtest.Check(f, os.WriteFile(f.path("go"), nil, 0o644)) }

// fetchedLittle waits for sample 50, and fails the test if by then more than the samples before it need was fetched.
func (f *far) fetchedLittle() {
	testtime.Eventually(f.T, "sample 50", func() bool { return f.exists("begun") })
	if got := f.engine.Stats().Bytes; got > int64(len(f.content))*3/4 {
		f.Errorf("%d bytes of %d were fetched for the first samples", got, len(f.content))
	}
}

// A shard that is overwritten during a run ends it, and nothing is published.
func TestRemoteOverwritten(t *testing.T) {
	f := newFar(t)
	o := f.run(f.waits())
	done := make(chan error)
	go func() {
		_, err := Run(t.Context(), f.names(f.url), o)
		done <- err
	}()
	f.fetchedLittle()
	f.server.Put("far.tar", append([]byte(nil), f.content...))
	f.letGo()
	if err := <-done; !errors.Is(err, store.ErrChanged) {
		t.Errorf("a run over two versions: %v", err)
	}
	if left, _ := filepath.Glob(f.path("out.tar*")); len(left) > 0 {
		t.Errorf("there is %q", left)
	}
}

// A run that was stopped while the shard came is continued with the same bytes as a result.
func TestRemoteResume(t *testing.T) {
	f := newFar(t)
	o := f.run(f.waits())
	o.Checkpoints = f.path("checkpoints")
	shardtest.Check(t, os.Mkdir(o.Checkpoints, 0o700))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := Run(ctx, f.names(f.url), o)
		done <- err
	}()
	f.fetchedLittle()
	cancel()
	stopped := new(StoppedError)
	if err := <-done; !errors.As(err, &stopped) {
		t.Fatalf("stopped: %v", err)
	}
	f.letGo()
	o.Resume = true
	_, err := Run(t.Context(), f.names(f.url), o)
	shardtest.Check(t, err)
	f.output(o, f.want(f.waits()))
}

// A shard that turns out to be cut when commands have run in it has no output, and does not stop the others.
func TestRemoteCutAmongOthers(t *testing.T) {
	f := newFar(t)
	f.server.Put("cut.tar", f.content[:len(f.content)/3])
	o := f.run(`[ "$SAMPLE_INDEX" != 9 ] || >$DIR/begun-${SHARD##*/}`)
	o.Env, o.OnError, o.Outputs = append(o.Env, "DIR="+f.dir), Skip, f.each("", 3).Outputs
	cut := f.server.URL + "/plain/cut.tar"
	s, err := Run(t.Context(), f.names(f.url, cut, f.local), o)
	if err != nil || len(s.GivenUp) != 1 || !errors.Is(s.GivenUp[0], index.ErrTruncated) || f.there(o) != "0 2" {
		t.Errorf("%+v, %v; there are %q", s, err, f.there(o))
	}
	for _, shard := range []string{"far.tar", "cut.tar", "local.tar"} {
		if !f.exists("begun-" + shard) {
			t.Errorf("no command has run in %s", shard)
		}
	}
	for _, name := range []string{o.Outputs[0], o.Outputs[2]} {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, f.content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	f.nothingElse()
}

// A shard that turns out to be cut ends a run that has begun, and nothing is published.
func TestRemoteCut(t *testing.T) {
	f := newFar(t)
	f.server.Put("far.tar", f.content[:len(f.content)/3])
	o := f.run(`[ "$SAMPLE_INDEX" != 9 ] || >"$BEGUN"`)
	o.Env = append(o.Env, "BEGUN="+f.path("begun"))
	if _, err := Run(t.Context(), f.names(f.url), o); !errors.Is(err, index.ErrTruncated) || !f.exists("begun") {
		t.Errorf("a run over a shard that is cut: %v", err)
	}
	if left, _ := filepath.Glob(f.path("out.tar*")); len(left) > 0 {
		t.Errorf("there is %q", left)
	}
	o.Workspace.Source.Shard.AllowTruncated = true
	s, err := Run(t.Context(), f.names(f.url), o)
	if err != nil || !errors.Is(s.Cut, source.ErrCut) || s.Done == 0 {
		t.Errorf("where that is allowed: %+v, %v", s, err)
	}
}
