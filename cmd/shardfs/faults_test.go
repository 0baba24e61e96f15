package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// The tests in faults_*_test.go disturb runs in every way that we know, and check one promise: the output is absent,
// unchanged, or a whole shard with the bytes that an undisturbed run writes; only in the last case is the exit status 0
// (3 if samples failed under a policy that allows it); the same command run again writes those bytes, and afterwards
// nothing is left of either run: no mount, no process, no temporary file.
//
// A fault is a way to disturb a run, a place is a directory for runs, and place.keeps checks the promise.

var long = flag.Bool("long", false, "test every point of every sweep, and long streams")

// manyOrFew returns many with -long, else few.
func manyOrFew(many, few int) int {
	if *long {
		return many
	}
	return few
}

// fault is a way to disturb a run. The zero value does not disturb it.
type fault struct {
	inject string        // system call and fault in the syntax of strace: "fsync:error=EIO:when=2"
	paths  []string      // only calls on these paths; nil: all
	only   bool          // only calls of the first shardfs process, not of commands; not for runs that mount
	kill   string        // SIGKILL one of the shardfs processes with this verb
	after  time.Duration // delay before the kill
}

func (f fault) String() string {
	if f.kill != "" {
		return fmt.Sprintf("SIGKILL to %s after %v", f.kill, f.after)
	}
	return f.inject
}

// wrap adds the tool that injects the fault to a command line.
func (f fault) wrap(args []string, log string) []string {
	if f.inject == "" {
		return args
	}
	call, _, _ := strings.Cut(f.inject, ":")
	tracer := []string{"strace", "-f", "-y", "-o", log, "-e", "trace=" + call, "-e", "inject=" + f.inject}
	for _, path := range f.paths {
		tracer = append(tracer, "-P", path)
	}
	if f.only {
		tracer = append(tracer, "-b", "execve")
	} else {
		tracer = append(tracer, "--seccomp-bpf")
	}
	return append(tracer, args...)
}

// struck matches a line of strace's log that reports a fault.
var struck = regexp.MustCompile(`(?m)^.*(\(INJECTED\)|\+\+\+ killed by SIGKILL).*$`)

// impossible matches a fault in a file that is not on a disk: the Go runtime ends a process that cannot write to its
// own eventfd, and a pipe to a child never gives such an error.
var impossible = regexp.MustCompile(`(?m)^.*<(anon_inode|pipe):.*\(INJECTED\).*$`)

// needsStrace skips a test where system calls cannot be traced.
func needsStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("strace", "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		skip.Without(t, "strace: %v %s", err, out)
	}
}

// needsRoot skips a test that mounts.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip.Without(t, "root")
	}
}

// workspaces returns the values of --workspace that this machine supports.
func workspaces(t *testing.T) []string {
	t.Helper()
	if !server.CanMount() {
		skip.Part(t, "/dev/fuse for --workspace fuse")
		return []string{"dir"}
	}
	return []string{"dir", "fuse"}
}

// program builds shardfs, without test code, beside the copy of the test binary that is removed when the tests end.
var program = sync.OnceValues(func() (string, error) {
	beside, err := exec.LookPath("shardfs")
	if err != nil {
		return "", err
	}
	name := filepath.Join(filepath.Dir(filepath.Dir(beside)), "static", "shardfs")
	cmd := exec.Command("go", "build", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return name, nil
})

// placeDirs are the directories of a place that runs may write to.
var placeDirs = []string{"out", "scratch", ".tmp", ".cache"}

// place is a directory for the runs of a test, with a shard in.tar and placeDirs.
type place struct {
	t       *testing.T
	dir     string
	program string
	patient time.Duration // time limit for a run and for the processes it leaves
	env     []string      // of runs, in addition
}

// newPlace makes a place for runs over a shard.
func newPlace(t *testing.T, shard []byte) *place {
	t.Helper()
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, dir: t.TempDir(), program: program, patient: testtime.Limit(t, 30*time.Second)}
	p.must(os.WriteFile(p.path("in.tar"), shard, 0o666))
	p.reset(nil)
	t.Cleanup(func() { cleanUp(p.dir) })
	return p
}

// as returns the place for a subtest.
func (p *place) as(t *testing.T) *place {
	q := *p
	q.t = t
	return &q
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) path(name ...string) string {
	return filepath.Join(append([]string{p.dir}, name...)...)
}

// reset removes what runs have left, and puts files into out.
func (p *place) reset(files map[string][]byte) {
	p.t.Helper()
	for _, dir := range placeDirs {
		p.must(os.RemoveAll(p.path(dir)))
		p.must(os.Mkdir(p.path(dir), 0o700))
	}
	for name, content := range files {
		p.must(os.WriteFile(p.path("out", name), content, 0o666))
	}
}

// result is how a run ended.
type result struct {
	status int  // as in a shell: 128 plus the signal for a killed process
	killed bool // by SIGKILL, so it could neither report nor clean up
	hung   bool
	stderr string
	fired  int    // how often the fault occurred
	where  string // the first occurrence, from the log of strace
	mute   bool   // a message could not be written
}

// run runs shardfs with a fault, and waits for the end of all its processes.
func (p *place) run(f fault, args ...string) result {
	p.t.Helper()
	return p.pipe(f, nil, nil, args...)
}

// pipe runs shardfs between a standard input and a standard output.
func (p *place) pipe(f fault, stdin io.Reader, stdout io.Writer, args ...string) (r result) {
	p.t.Helper()
	log := p.path("strace")
	os.Remove(log)
	argv := f.wrap(append([]string{p.program}, args...), log)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = p.dir
	cmd.Env = []string{
		"WORK=" + p.dir, "TMPDIR=" + p.path(".tmp"), "XDG_CACHE_HOME=" + p.path(".cache"), "HOME=" + p.dir,
		"LC_ALL=C.UTF-8",
		"PATH=" + os.Getenv("PATH"),
	}
	cmd.Env = append(cmd.Env, p.env...)
	if f.inject != "" {
		// Strace counts the calls of each thread separately; with one processor, one thread makes most of them.
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, &stderr
	cmd.WaitDelay = p.patient
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.must(cmd.Start())
	ctx, cancel := context.WithTimeout(context.Background(), p.patient)
	stop := context.AfterFunc(ctx, func() { cleanUp(p.dir) })
	if f.kill != "" {
		time.Sleep(f.after)
		them := slices.DeleteFunc(processes(p.dir), func(q process) bool { return !q.runs(f.kill) || q.starts() })
		if len(them) > 0 && unix.Kill(them[rand.IntN(len(them))].pid, unix.SIGKILL) == nil {
			r.fired++
		}
	}
	err := cmd.Wait()
	r.hung = !stop()
	cancel()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	state := cmd.ProcessState.Sys().(syscall.WaitStatus)
	r.status, r.stderr = state.ExitStatus(), stderr.String()
	if state.Signaled() {
		r.status, r.killed = 128+int(state.Signal()), state.Signal() == unix.SIGKILL
	}
	if b, err := os.ReadFile(log); err == nil {
		all, never := struck.FindAll(b, -1), impossible.FindAll(b, -1)
		r.fired = len(all) - len(never)
		if len(never) > 0 {
			r.fired = -1 // this run proves nothing
		}
		if len(all) > 0 {
			r.where = string(all[0])
			r.mute = slices.ContainsFunc(all, func(line []byte) bool { return bytes.Contains(line, []byte("write(2")) })
		}
	}
	p.must(os.RemoveAll(log))
	return r
}

// promise is what a run may leave as its output.
type promise struct {
	out      string // its path
	whole    []byte // what an undisturbed run writes
	before   []byte // the output before the run; nil: none
	partly   bool   // samples may fail without ending the run
	statuses []int  // allowed exit statuses if nothing is published; nil: any
}

// keeps checks that a run has kept its promise.
func (p *place) keeps(r result, w promise) {
	p.t.Helper()
	got, err := os.ReadFile(w.out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		p.t.Fatal(err)
	}
	whole, as := bytes.Equal(got, w.whole) && err == nil, bytes.Equal(got, w.before) &&
		(err == nil) == (w.before != nil)
	switch {
	case r.hung:
		p.t.Errorf("it hangs, after %s", r.where)
	case !whole && !as:
		p.t.Errorf("exit status %d, and the output is wrong: %d bytes, want %d", r.status, len(got), len(w.whole))
	case !whole && (r.status == 0 || r.status == exitPartly):
		p.t.Errorf("exit status %d without an output", r.status)
	case r.status == exitPartly && !w.partly:
		p.t.Error("exit status 3, and no sample may fail")
	}
	if r.killed || r.hung {
		return
	}
	if r.status != 0 && r.status != exitPartly && w.statuses != nil && !slices.Contains(w.statuses, r.status) {
		p.t.Errorf("exit status %d, want one of %v", r.status, w.statuses)
	}
	p.speaks(r)
}

// tools matches the beginning of lines on standard error that other programs write: commands, the shell and
// fusermount3.
var tools = regexp.MustCompile(`^(/bin/sh|cat|rm|.*/fusermount3): `)

// detached matches what a shell says, in pieces that mix with other lines, when its directory was detached.
var detached = regexp.MustCompile(`sh: 0: |getcwd\(\) failed: No such file or directory\n`)

// speaks checks that a failed run reports an error and that no run panics.
func (p *place) speaks(r result) {
	p.t.Helper()
	said := r.status == 0
	for line := range strings.Lines(detached.ReplaceAllString(r.stderr, "")) {
		said = said || strings.HasPrefix(line, "shardfs: error: ")
		if !strings.HasPrefix(line, "shardfs: ") && !tools.MatchString(line) {
			p.t.Errorf("exit status %d, messages:\n%s", r.status, r.stderr)
			return
		}
	}
	if !said && !r.mute {
		p.t.Errorf("exit status %d without an error: %q", r.status, r.stderr)
	}
}

// age sets back the times of what a killed process has left in .tmp: for a minute it could belong to a process that is
// just starting.
func (p *place) age() {
	p.t.Helper()
	names, err := filepath.Glob(p.path(".tmp", "*"))
	p.must(err)
	old := time.Now().Add(-time.Hour)
	for _, name := range names {
		p.must(os.Chtimes(name, old, old))
	}
}

// gone waits until all processes of a run have ended.
func (p *place) gone() {
	p.t.Helper()
	testtime.Eventually(p.t, "the end of all processes of a run", func() bool { return len(processes(p.dir)) == 0 })
}

// tree lists the files in placeDirs.
func (p *place) tree() string {
	p.t.Helper()
	var all strings.Builder
	for _, dir := range placeDirs {
		p.must(filepath.WalkDir(p.path(dir), func(name string, e fs.DirEntry, err error) error {
			fmt.Fprintln(&all, strings.TrimPrefix(name, p.dir), e.Type())
			return err
		}))
	}
	return all.String()
}

// clean checks that only what an undisturbed run leaves is there.
func (p *place) clean(want string) {
	p.t.Helper()
	if got := p.tree(); got != want {
		p.t.Errorf("left behind:\n%s\nwant\n%s", got, want)
	}
	for _, left := range leftovers(p.dir, p.patient) {
		p.t.Errorf("left behind: %s", left)
	}
}

// way is how to continue after a disturbed run: arguments to add to the command line of the first run, and of the
// second.
type way struct {
	name         string
	first, again []string
}

var ways = []way{
	{name: "again"},
	{"resumed", []string{"--scratch", "scratch"}, []string{"--scratch", "scratch", "--resume"}},
}

// setting is a configuration of a run that is swept: each fails at different system calls.
type setting struct {
	workspace string
	out       string
	unordered bool // keys do not ascend, so FUSE shows the shard, and not EROFS where that is there
}

// String returns the setting as part of a test's name.
func (s setting) String() string {
	if s.unordered {
		return s.workspace + "/unordered/" + s.out
	}
	return s.workspace + "/" + s.out
}

// settingsHere returns settings that this machine supports, all with -long, ordered so that neighbours differ as much
// as possible.
func settingsHere(t *testing.T) (all []setting) {
	names := []string{"out.tar", "out.tar.gz", "out.tar.zst"}
	var kinds []setting
	for _, workspace := range workspaces(t) {
		kinds = append(kinds, setting{workspace: workspace})
	}
	if len(kinds) > 1 {
		kinds = append(kinds, setting{workspace: "fuse", unordered: true})
	}
	for i := range len(names) * len(kinds) {
		s := kinds[i%len(kinds)]
		s.out = names[(i+i/len(kinds))%len(names)]
		all = append(all, s)
	}
	return all[:manyOrFew(len(all), min(len(all), 6))]
}

// swept is a run that is disturbed at one system call after the other, until one comes to its end undisturbed.
type swept struct {
	*place
	setting
	tail  string // end of the command
	whole []byte // output of an undisturbed run
	tree  string // files that it leaves
}

func newSwept(t *testing.T, s setting, samples int) *swept {
	t.Helper()
	shard := someSamples(t, samples, 3000)
	if s.unordered {
		shard = unordered(t, samples, 3000)
	}
	w := &swept{place: newPlace(t, shard), setting: s}
	if r := w.run(fault{}, w.command()...); r.status != 0 {
		t.Fatalf("without a fault: exit status %d: %s", r.status, r.stderr)
	}
	var err error
	w.whole, err = os.ReadFile(w.path("out", s.out))
	w.must(err)
	w.tree = w.place.tree()
	return w
}

// command returns the run's command line. Its command reads, writes and deletes files, and fails if that fails (which
// cksum of coreutils 9.1 does not).
func (w *swept) command(more ...string) []string {
	run := []string{"run", "-q", "-j", "2", "--workspace", w.workspace,
		"-c", "exec 2>/dev/null; cat sample.bin >sample.copy && rm sample.txt" + w.tail}
	return append(append(run, more...), "in.tar", "-o", w.path("out", w.out))
}

// breaks runs with a fault, checks the result, and runs again. It returns how often the fault occurred.
func (w *swept) breaks(f fault, kept promise, how way) int {
	w.t.Helper()
	r := w.run(f, w.command(how.first...)...)
	if r.fired < 0 {
		return r.fired
	}
	w.keeps(r, kept)
	if r.fired == 0 && r.status != 0 {
		w.t.Errorf("undisturbed, exit status %d: %s", r.status, r.stderr)
	}
	w.gone()
	w.age()
	again := w.run(fault{}, w.command(how.again...)...)
	if w.keeps(again, kept); again.status != 0 {
		w.t.Errorf("after exit status %d (%s), again: exit status %d: %s", r.status, r.stderr,
			again.status, again.stderr)
	}
	w.clean(w.tree)
	return r.fired
}

// someSamples returns a shard of n samples, each with an incompressible .bin and a .txt.
func someSamples(t *testing.T, n, size int) []byte {
	t.Helper()
	return samplesOf(t, n, size, func(i int) int { return i })
}

// unordered returns the samples of someSamples in another order: that of a base by FUSE, see [setting].
func unordered(t *testing.T, n, size int) []byte {
	t.Helper()
	return samplesOf(t, n, size, func(i int) int { return n - 1 - i })
}

// samplesOf returns a shard of n samples, whose numbers are in an order.
func samplesOf(t *testing.T, n, size int, number func(i int) int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range n {
		i = number(i)
		for _, m := range []member{
			{fmt.Sprintf("%04d.bin", i), noise(i, size)}, {fmt.Sprintf("%04d.txt", i), []byte(fmt.Sprintln("text", i))},
		} {
			err := w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.content))})
			if err := errors.Join(err, second(w.Write(m.content))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// second returns the second of two values.
func second[A, B any](_ A, b B) B { return b }

// member is one of a tar.
type member struct {
	name    string
	content []byte
}

// membersOf reads a tar with Go's own reader.
func membersOf(t *testing.T, name string) (all []member) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{h.Name, content})
	}
}

// noise returns size incompressible bytes, always the same for the same number.
func noise(number, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(number), byte(number >> 8)}).Read(b)
	return b
}
