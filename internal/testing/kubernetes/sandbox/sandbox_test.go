package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// enter builds the program that containers start with.
func enter(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		skip.Without(t, "root")
	}
	path := filepath.Join(t.TempDir(), "enter")
	cmd := exec.Command("go", "build", "-o", path, "./enter")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// run runs a container to its end and returns its output and status.
func run(t *testing.T, enter string, spec Spec, meanwhile func(c *Container)) (string, int) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	spec.Env = append(spec.Env, "PATH=/usr/bin:/bin")
	c, err := Start(enter, spec, out)
	if err != nil {
		t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile(c)
	}
	testtime.Receive(t, c.Ended, "the end of the container")
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text), c.Exit()
}

// A container is what a restricted pod is.
func TestContainer(t *testing.T) {
	program := enter(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ command, want string }{
		{"id -u; id -G; echo $$; hostname", "65532\n65532 2000\n1\nto-ppm-3\n"},
		{"grep -E '^Cap(Eff|Bnd|Amb)|NoNewPrivs' /proc/self/status | tr -d '\\t\\n'",
			"CapEff:0000000000000000CapBnd:0000000000000000CapAmb:0000000000000000NoNewPrivs:1"},
		{"ls /dev | xargs", "full null random shm urandom zero\n"},
		{"df -k --output=size /dev/shm | tail -1 | xargs", "65536\n"},
		{"touch /file /tmp/file /usr/file /ro/file 2>&1 | grep -c 'Read-only file system'", "4\n"},
		{"touch /rw/file && ls /rw", "file\n"},
		{"cat; echo $A", "b c\n"},
		{"ls /root /home 2>&1 | grep -c 'No such file'", "2\n"},
	} {
		spec := Spec{Argv: []string{"sh", "-c", tt.command}, Env: []string{"A=b c"}, User: 65532, Group: 2000,
			Hostname: "to-ppm-3", Mounts: []Mount{{dir, "/rw", true}, {dir, "/ro", false}}}
		if got, status := run(t, program, spec, nil); got != tt.want || status != 0 {
			t.Errorf("%s: %q, status %d, want %q", tt.command, got, status, tt.want)
		}
	}
}

// The statuses of containers are those that Kubernetes tells.
func TestStatus(t *testing.T) {
	program := enter(t)
	for _, tt := range []struct {
		name   string
		argv   []string
		signal syscall.Signal
		want   int
	}{
		{"its own", []string{"sh", "-c", "exit 65"}, 0, 65},
		{"killed", []string{"sleep", "1h"}, syscall.SIGKILL, 137},
		{"no such command", []string{"no such command"}, 0, 128},
		// PID 1 is not ended by a signal that it does not handle.
		{
			"TERM without a handler", []string{"sh", "-c", "while [ ! -e /flag/term ]; do sleep 0.01; done; exit 5"},
			syscall.SIGTERM, 5,
		},
	} {
		dir := t.TempDir()
		spec := Spec{Argv: tt.argv, User: 65532, Mounts: []Mount{{dir, "/flag", false}}}
		out, got := run(t, program, spec, func(c *Container) {
			if tt.signal == 0 {
				return
			}
			testtime.Eventually(t, "the command", func() bool {
				line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.PID), "cmdline"))
				return strings.HasPrefix(string(line), tt.argv[0]+"\x00")
			})
			c.Signal(tt.signal)
			if err := os.WriteFile(filepath.Join(dir, "term"), nil, 0o644); err != nil {
				t.Error(err)
			}
		})
		if got != tt.want {
			t.Errorf("%s: status %d, want %d: %s", tt.name, got, tt.want, out)
		}
	}
}
