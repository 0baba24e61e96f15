package web

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/testing/web/chromium"
)

// What all tests use; set by TestMain.
var (
	program string          // shardfs
	browser context.Context // Chromium; nil if there is none
	missing error           // why there is none
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "web")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	var stop func()
	if browser, stop, missing = chromium.Start(dir); missing == nil {
		defer stop()
	}
	program = filepath.Join(dir, "shardfs")
	build := exec.Command("go", "build", "-o", program, "./cmd/shardfs")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if missing == nil {
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building shardfs:", err)
			return 1
		}
	}
	return m.Run()
}

// viewer is a running shardfs view.
type viewer struct {
	url string // of the page, with a slash at its end
	cmd *exec.Cmd
}

// view starts shardfs view, which ends with the test.
func view(t *testing.T, args ...string) *viewer {
	t.Helper()
	needBrowser(t)
	cmd := exec.Command(program, append([]string{"view"}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		lines <- strings.TrimSpace(line)
	}()
	url := testtime.Receive(t, lines, "the address that view prints")
	if !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.HasSuffix(url, "/") {
		t.Fatalf("view prints %q", url)
	}
	return &viewer{url, cmd}
}

// host returns the address that a viewer listens on.
func (v *viewer) host() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(v.url, "http://"), "/")
	return host
}

// token returns the token in the address of a viewer.
func (v *viewer) token() string {
	_, token, _ := strings.Cut(strings.TrimPrefix(v.url, "http://"), "/")
	return strings.TrimSuffix(token, "/")
}

// long skips a test in the short form of these tests, which make test runs.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("make test-web runs it")
	}
}

// needBrowser skips a test on a machine without Chromium, see skip.Needed.
func needBrowser(t *testing.T) {
	t.Helper()
	if missing != nil {
		skip.Needed(t, "%v", missing)
	}
}

// shardfs runs another verb.
func shardfs(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("shardfs %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
