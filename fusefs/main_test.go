package fusefs

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/prefetch"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/view"
)

// Kinds of mounts: read-only, without and with overlayfs, and with changes kept by FUSE or by the kernel's overlayfs.
const (
	shown       = "shown"
	layered     = "layers"
	withFUSE    = "fuse"
	withOverlay = "kernel"
)

// withChanges tests both kinds of mounts that can be changed.
func withChanges(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range []string{withFUSE, withOverlay} {
		t.Run(kind, func(t *testing.T) {
			if kind == withOverlay {
				needOverlay(t)
			}
			test(t, kind)
		})
	}
}

// The tests mount for real. The process that serves a mount must not work in it, so the test binary starts itself again
// to serve: as "serve SHARD SCRATCH MOUNTPOINT KIND".
func TestMain(m *testing.M) {
	if os.Getenv(prefetch.Variable) != "" {
		prefetch.Run(os.Stdin, os.Stdout)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := serveMain(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	unix.Umask(0o022)
	os.Exit(m.Run())
}

// serveMain serves a mount until its standard input ends.
func serveMain(args []string) error {
	unix.Umask(0)
	scratch, err := scratch.Create(args[1])
	if err != nil {
		return err
	}
	defer scratch.Close()
	o := shard.Options{}
	if store.IsRemote(args[0]) {
		o.Store = stores()
	}
	sh, err := shard.Open(context.Background(), args[0], o)
	if err != nil {
		return err
	}
	defer sh.Close()
	if err := scratch.Bind(sh, args[2]); err != nil {
		return err
	}
	server, err := serveKind(scratch, sh, args[2], args[3])
	if err != nil {
		return err
	}
	if ending, ok := server.(interface{ End() }); ok {
		defer ending.End()
	}
	fmt.Println("ready")
	go func() {
		io.Copy(io.Discard, os.Stdin)
		server.Unmount()
	}()
	server.Wait()
	return nil
}

func serveKind(scratch *scratch.Scratch, sh *shard.Shard, mountpoint, kind string) (overlayfs.Lower, error) {
	o := Options{Source: scratch.Dir, Log: func(err error) { fmt.Println("log:", err) }}
	o.AllowOther, o.ReadOnly = true, os.Getenv(readOnlyVariable) != ""
	if os.Getenv(traceVariable) != "" {
		o.trace = func(line string) { fmt.Println("trace:", line) }
	}
	switch kind {
	case named:
		o.AllowOther = false
		return MountFiles(testFiles(), mountpoint, o)
	case stuck:
		return mountStuck(sh.Path(), mountpoint, o)
	case waiting:
		report := o.report()
		return serve(waiter{newBase(view.One(sh), report), report}, mountpoint, &o, report)
	case ahead:
		return mountAhead(view.One(sh), mountpoint, o)
	case shown:
		return MountReadOnly(view.One(sh), mountpoint, o)
	case layered:
		return mountLayers(scratch, sh, mountpoint, o)
	case withOverlay:
		userXattr, err := overlay.PrepareUpper(scratch)
		if err != nil {
			return nil, err
		}
		flags, err := o.Flags()
		if err != nil {
			return nil, err
		}
		return overlayfs.MountOver(func(dir string) (*Server, error) { return MountReadOnly(view.One(sh), dir, o) },
			mountpoint, overlayfs.Options{
				Lower: scratch.Lower(), Upper: scratch.Upper(), Work: scratch.Work(),
				Source: scratch.Dir, Flags: flags, AllowOther: true, UserXattr: userXattr,
			})
	}
	over, err := overlay.New(scratch, sh)
	if err != nil {
		return nil, err
	}
	tree, err := overlay.NewTree(over)
	if err != nil {
		return nil, err
	}
	return MountWritable(tree, mountpoint, o)
}

// readOnlyVariable, if set, makes a server mount read-only.
const readOnlyVariable = "SHARDFS_TEST_READ_ONLY"

// traceVariable, if set, makes a server print the requests that it gets.
const traceVariable = "SHARDFS_TEST_TRACE"

// member is a file in a shard.
type member struct{ name, content string }

// writeShard writes a shard; a name that ends in "gz" is compressed.
func writeShard(t testing.TB, name string, members []member) {
	t.Helper()
	f, err := os.Create(name)
	check(t, err)
	var out io.WriteCloser = f
	if strings.HasSuffix(name, "gz") {
		out, err = gzip.NewWriterLevel(f, gzip.BestSpeed)
		check(t, err)
	}
	w := tar.NewWriter(out)
	for _, m := range members {
		check(t, w.WriteHeader(&tar.Header{
			Name: m.name, Size: int64(len(m.content)), Mode: 0o644, ModTime: time.Unix(1700000000, 0),
			Format: tar.FormatPAX,
		}))
		_, err := io.WriteString(w, m.content)
		check(t, err)
	}
	check(t, w.Close())
	if out != f {
		check(t, out.Close())
	}
	check(t, f.Close())
}

// samples returns the members of n samples.
func samples(n int) []member {
	var all []member
	for i := range n {
		key := fmt.Sprintf("%06d", i)
		all = append(all, member{key + ".cls", fmt.Sprint(i % 10)}, member{key + ".jpg", strings.Repeat(key, 100)})
	}
	return all
}

// mounted is a mount that another process serves.
type mounted struct {
	t       testing.TB
	shard   string
	scratch string
	dir     string // the mountpoint
	kind    string

	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}
	mu    sync.Mutex // guards log
	log   []string

	asked  int // number of calls of requests
	held   int // files that the test has open when it calls requests
	opened int // those that it had open at the last call
}

// mountMembers mounts a shard with these members.
func mountMembers(t testing.TB, kind string, members ...member) *mounted {
	t.Helper()
	name := filepath.Join(t.TempDir(), "shard.tar")
	writeShard(t, name, members)
	return mountShard(t, name, kind)
}

// mountShard mounts a shard over a new scratch directory.
func mountShard(t testing.TB, name, kind string) *mounted {
	t.Helper()
	needFUSE(t)
	dir := t.TempDir()
	m := &mounted{t: t, shard: inStore(t, name), kind: kind,
		scratch: filepath.Join(dir, "scratch"), dir: filepath.Join(dir, "mnt")}
	check(t, os.Mkdir(m.dir, 0o755))
	t.Cleanup(func() {
		if m.cmd != nil {
			m.stop()
		}
	})
	m.start()
	return m
}

// start starts the server and returns when the mount is ready.
func (m *mounted) start() {
	m.t.Helper()
	if err := m.tryStart(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mounted) tryStart() error {
	self, err := os.Executable()
	check(m.t, err)
	cmd := exec.Command(self, "serve", m.shard, m.scratch, m.dir, m.kind)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else each end takes a second under the race detector
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	check(m.t, err)
	stdout, err := cmd.StdoutPipe()
	check(m.t, err)
	check(m.t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	ready := false
	for !ready && lines.Scan() {
		ready = lines.Text() == "ready" // after what it was asked while it was mounted
	}
	if !ready {
		err := cmd.Wait()
		return fmt.Errorf("server: %w: %s%s", err, lines.Text(), stderr.String())
	}
	m.cmd, m.stdin, m.done = cmd, stdin, make(chan struct{})
	go func() {
		defer close(m.done)
		for lines.Scan() {
			m.mu.Lock()
			m.log = append(m.log, lines.Text())
			m.mu.Unlock()
		}
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() > 0 {
			m.t.Errorf("server: %v: %s", err, stderr.String())
		}
	}()
	return nil
}

// limit returns how long to wait for the server.
func (m *mounted) limit() time.Duration {
	if t, ok := m.t.(testtime.Deadliner); ok {
		return testtime.Limit(t, 20*time.Second)
	}
	return time.Hour // a benchmark has no deadline
}

// stop unmounts and waits until the server has ended.
func (m *mounted) stop() {
	m.t.Helper()
	m.stdin.Close()
	select {
	case <-m.done:
	case <-time.After(m.limit()):
		m.t.Error("the server does not end")
		m.kill()
	}
	m.cmd = nil
}

// restart mounts the scratch directory again.
func (m *mounted) restart() {
	m.t.Helper()
	m.stop()
	m.start()
}

// kill kills the server and detaches its mount.
func (m *mounted) kill() {
	m.t.Helper()
	m.cmd.Process.Kill()
	<-m.done
	check(m.t, Unmount(m.dir, true))
	m.cmd = nil
}

// logged returns what the server has logged.
func (m *mounted) logged() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.log...)
}

// waitLog waits until n lines that the server has logged since the last call of requests contain a text.
func (m *mounted) waitLog(text string, n int) {
	m.t.Helper()
	testtime.Eventually(m.t.(*testing.T), "the server to log "+text, func() bool {
		found := 0
		for _, line := range m.logged() {
			if strings.Contains(line, text) {
				found++
			}
		}
		return found >= n
	})
}

// path returns the path of a file in the mount.
func (m *mounted) path(name string) string { return filepath.Join(m.dir, name) }

// sh runs a shell command in a directory of the mount and returns its output.
func (m *mounted) sh(dir, command string) string {
	m.t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = m.path(dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// leftInWork returns the names in the work directory, without the directory that overlayfs keeps there.
func (m *mounted) leftInWork() []string {
	m.t.Helper()
	left := names(m.t, filepath.Join(m.scratch, "work"))
	if m.kind == withOverlay && slices.Equal(left, []string{"work"}) {
		left = names(m.t, filepath.Join(m.scratch, "work", "work"))
	}
	return left
}

// overlay opens the changes for reading, as pack does.
func (m *mounted) overlay() *overlay.Overlay {
	m.t.Helper()
	scratch, err := scratch.Open(m.scratch)
	check(m.t, err)
	return openOverlay(m.t, scratch)
}

func openOverlay(t testing.TB, scratch *scratch.Scratch) *overlay.Overlay {
	t.Helper()
	sh, err := scratch.OpenShard(t.Context(), nil)
	check(t, err)
	o, err := overlay.New(scratch, sh)
	check(t, err)
	t.Cleanup(func() { check(t, errors.Join(o.Close(), sh.Close())) })
	return o
}

func needFUSE(t testing.TB) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		skip.Without(t, "/dev/fuse: %v", err)
	}
	unix.Close(fd)
}

func needOverlay(t testing.TB) {
	t.Helper()
	if !overlayfs.MayMount() {
		skip.Without(t, "the right to mount overlayfs")
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip.Without(t, "root")
	}
}

// check ends a test at an error.
func check(t testing.TB, err error) {
	if err == nil {
		return
	}
	t.Helper()
	_, file, line, _ := runtime.Caller(1)
	t.Fatalf("%s:%d: %v", filepath.Base(file), line, err)
}

// read returns the content of a file.
func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	check(t, err)
	return string(b)
}

// write makes or replaces a file.
func write(t testing.TB, name, content string) {
	t.Helper()
	check(t, os.WriteFile(name, []byte(content), 0o644))
}

// names returns the names in a directory, in the order of its listing.
func names(t testing.TB, dir string) []string {
	t.Helper()
	f, err := os.Open(dir)
	check(t, err)
	defer f.Close()
	all, err := f.Readdirnames(-1)
	check(t, err)
	return all
}
