package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// A command sees a terminal of the right width, and its output arrives unchanged, even if it is longer than the
// terminal's buffer.
func TestTerminal(t *testing.T) {
	noLeaks(t)
	reader, command, err := openTerminal(os.Stdin)
	if err != nil {
		skip.Without(t, "a terminal: %v", err)
	}
	defer unix.Close(reader)
	like := os.NewFile(uintptr(command), "terminal")
	defer like.Close()
	if err := unix.IoctlSetWinsize(command, unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 43}); err != nil {
		t.Fatal(err)
	}
	o := shell(`test -t 1 && stty size <&1 && printf 'a\n\tb\004\003' && head -c 300000 /dev/zero | tr '\0' x`)
	o.Terminal = like
	res, out := one(t, o, t.TempDir())
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	const want = "10 43\na\n\tb\004\003"
	if len(out) != len(want)+300000 || out[:len(want)] != want {
		t.Errorf("output of %d bytes, %.40q…, want %d bytes, %q…", len(out), out, len(want)+300000, want)
	}

	// A command that leaves the terminal to a child in the background does not hang the job.
	o.Argv = []string{"sh", "-c", "echo done; sleep 100 &"}
	if res, out := one(t, o, t.TempDir()); res.Err != nil || out != "done\n" {
		t.Errorf("%q, %v, want done", out, res.Err)
	}
}

// A command that reads from the terminal of its output, or from that of standard error, fails at once: nobody answers.
func TestTerminalIsNotRead(t *testing.T) {
	noLeaks(t)
	reader, command, err := openTerminal(os.Stdin)
	if err != nil {
		skip.Without(t, "a terminal: %v", err)
	}
	defer unix.Close(reader)
	like, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", command), unix.O_RDWR|unix.O_NOCTTY, 0)
	unix.Close(command)
	if err != nil {
		skip.Without(t, "/proc: %v", err)
	}
	defer like.Close()
	for _, script := range []string{"read -r line <&1", "read -r line <&2", "read -r line </dev/tty"} {
		o := shell("test -t 1 && test -t 2 || exit 7; " + script)
		o.Terminal, o.Stderr = like, like
		var exit *ExitError
		if res, _ := one(t, o, t.TempDir()); !errors.As(res.Err, &exit) || exit.Status == 7 {
			t.Errorf("%s: %v", script, res.Err)
		}
	}
}

// A command leads a process group, and a session as well if that of this process has a terminal.
func TestGroup(t *testing.T) {
	noLeaks(t)
	session, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []bool{false, true} {
		r, err := newRun(shell("read -r stat </proc/$$/stat; echo $$ ${stat##*) }"))
		if err != nil {
			t.Fatal(err)
		}
		if r.session = own; !own && mayHaveTerminal() {
			continue
		}
		var out strings.Builder
		r.runAll(t.Context(), in(t.TempDir(), 1), func(res Result) bool {
			res.Output.WriteTo(&out)
			return true
		})
		r.close()
		// The numbers of the process, its parent, its group and its session.
		f := strings.Fields(out.String())
		if want := map[bool]string{false: fmt.Sprint(session), true: f[0]}[own]; f[3] != f[0] || f[4] != want {
			t.Errorf("own: %v; process, state, parent, group, session: %v, want session %s", own, f[:5], want)
		}
	}
}

// A stopped command ends like any other.
func TestStopped(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	o := shell("trap 'exit 3' TERM; echo $$ >pid; kill -STOP $$; sleep 1000")
	o.grace = 24 * time.Hour
	ended := make(chan error)
	go func() {
		for _, err := range allResults(ctx, o, in(dir, 1)) {
			ended <- err
		}
	}()
	testtime.Eventually(t, "the command to stop", func() bool {
		pid, _ := os.ReadFile(filepath.Join(dir, "pid"))
		stat, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		return strings.Contains(string(stat), ") T ")
	})
	cancel(errors.New("enough"))
	if err := testtime.Receive(t, ended, "the end of the command"); err == nil || err.Error() != "enough" {
		t.Error(err)
	}
}
