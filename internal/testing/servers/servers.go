// Package servers starts real web servers, object stores and a Slurm on loopback, for tests.
//
// Each function starts a server of its own on a free port, with its data in a temporary directory, waits until it answers,
// and stops it when the test ends. A server is looked for in the directory SHARDFS_SERVERS (where .ci/servers installs them
// in pinned versions), in PATH and in the bin directory of GOPATH. A test is skipped without it, or fails where
// SHARDFS_NEED_SERVERS is set. Servers that take long to build or to start are used only if SHARDFS_SLOW_SERVERS is set.
//
// Only tests import this package.
package servers

import (
	"errors"
	"fmt"
	"go/build"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Server is a running server.
type Server struct {
	URL string // http://127.0.0.1:PORT
	Dir string // where it keeps its objects as files; "" for a server that keeps them in memory
	PID int
}

// tries is how often a server is started, because another process may take its port before it does.
const tries = 5

// Slow reports whether tests with servers may take long.
func Slow() bool { return os.Getenv("SHARDFS_SLOW_SERVERS") != "" }

// slow skips a test with a server that is not for every run of the tests.
func slow(t testing.TB, program string) {
	t.Helper()
	if !Slow() {
		skip.Without(t, "%s, which make test-stores starts", program)
	}
}

// Find returns the path of a program, or skips the test.
func Find(t testing.TB, program string) string {
	t.Helper()
	if dir := os.Getenv("SHARDFS_SERVERS"); dir != "" {
		for _, sub := range []string{"", "bin", "node_modules/.bin"} {
			if path, err := exec.LookPath(filepath.Join(dir, sub, program)); err == nil {
				return path
			}
		}
	}
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	for _, dir := range append(filepath.SplitList(build.Default.GOPATH), "/usr") {
		for _, sub := range []string{"bin", "sbin"} { // a user's PATH often lacks /usr/sbin
			if path, err := exec.LookPath(filepath.Join(dir, sub, program)); err == nil {
				return path
			}
		}
	}
	skip.Needed(t, "%s, see .ci/servers: %v", program, err)
	return ""
}

// command is how to start a server.
type command struct {
	program string
	dir     string                     // where it works
	args    func(port string) []string // which depend on its port
	env     []string                   // in addition to that of the test
	port    string                     // "" for a free one
	ready   func(url string) error     // whether the server answers; nil for one that speaks HTTP
}

// start starts a server and waits until it answers requests.
func (c command) start(t testing.TB) *Server {
	t.Helper()
	path := Find(t, c.program)
	var err error
	for range tries {
		var s *Server
		if s, err = c.try(t, path); err == nil {
			return s
		}
	}
	t.Fatalf("%s: %v", c.program, err)
	return nil
}

// try starts a server once.
func (c command) try(t testing.TB, path string) (*Server, error) {
	port, err := c.port, error(nil)
	if port == "" {
		if port, err = FreePort(); err != nil {
			return nil, err
		}
	}
	log, err := os.CreateTemp(c.dir, "log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(path, c.args(port)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.Env = append(append(cmd.Environ(), "HOME="+c.dir), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The server ends with the thread that has started it, so this one must live as long.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	s := &Server{URL: "http://127.0.0.1:" + port, PID: cmd.Process.Pid}
	if err := s.wait(t, ended, c.ready); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(text)))
	}
	t.Cleanup(func() {
		syscall.Kill(-s.PID, syscall.SIGKILL)
		<-ended
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() && len(text) > 0 {
			t.Logf("%s: %s", filepath.Base(path), text[max(0, len(text)-4096):])
		}
	})
	return s, nil
}

// wait returns nil when the server is ready, which is by default when it answers a request, but not that it is unavailable,
// and an error if it ends before.
func (s *Server) wait(t testing.TB, ended chan error, ready func(url string) error) error {
	if ready == nil {
		ready = answers
	}
	limit := time.Minute
	if d, ok := t.(testtime.Deadliner); ok { // a benchmark has no deadline
		limit = testtime.Limit(d, limit)
	}
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := ready(s.URL)
		select {
		case end := <-ended:
			return fmt.Errorf("the server ends at once: %w", errors.Join(end, err))
		default:
		}
		if err == nil {
			return nil
		}
		if time.Since(begin) > limit {
			syscall.Kill(-s.PID, syscall.SIGKILL)
			<-ended
			return fmt.Errorf("no answer in %v: %w", limit, err)
		}
	}
}

// connects returns nil if the server takes a connection.
func connects(url string) error {
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err == nil {
		c.Close()
	}
	return err
}

// answers returns nil if the server answers a request over HTTP.
func answers(url string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url + "/")
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode == http.StatusServiceUnavailable { // MinIO, until it has looked at its disks
		return errors.New(answer.Status)
	}
	return nil
}

// FreePort returns a port of loopback that no socket uses.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// dirs makes directories in a new temporary directory, and returns that.
func dirs(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
