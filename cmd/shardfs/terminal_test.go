package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// terminal is a terminal for a program, with what is on its screen.
type terminal struct {
	reader, command *os.File
	copied          chan struct{}

	mu   sync.Mutex
	text []byte
}

func newTerminal(t *testing.T, columns uint16) *terminal {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		skip.Without(t, "a terminal: %v", err)
	}
	shardtest.Check(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	end, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		t.Fatal(errno)
	}
	reader, command := os.NewFile(uintptr(fd), "ptmx"), os.NewFile(end, "pts")
	m := &terminal{reader: reader, command: command, copied: make(chan struct{})}
	m.resize(t, columns)
	go func() {
		defer close(m.copied)
		buf := make([]byte, 4096)
		for {
			n, err := m.reader.Read(buf)
			m.mu.Lock()
			m.text = append(m.text, buf[:n]...)
			m.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return m
}

func (m *terminal) resize(t *testing.T, columns uint16) {
	size := &unix.Winsize{Row: 24, Col: columns}
	shardtest.Check(t, unix.IoctlSetWinsize(int(m.command.Fd()), unix.TIOCSWINSZ, size))
}

// start starts shardfs with the terminal as its standard output and error, and as its controlling terminal.
func (m *terminal) start(t *testing.T, dir string, args ...string) *exec.Cmd {
	return m.startProgram(t, dir, "shardfs", args...)
}

func (m *terminal) startProgram(t *testing.T, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, m.command, m.command
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	cmd.Env = append(os.Environ(), "TERM=xterm", "CI=", "XDG_CACHE_HOME="+dir,
		statusVariable+"="+filepath.Join(dir, "status"))
	shardtest.Check(t, cmd.Start())
	return cmd
}

// wait waits for the end of the program and returns everything that it wrote.
func (m *terminal) wait(cmd *exec.Cmd) string {
	cmd.Wait()
	m.command.Close()
	<-m.copied
	m.reader.Close()
	return string(m.text)
}

// shows waits until a text was written.
func (m *terminal) shows(t *testing.T, text string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%q", m.text)
		}
	}()
	testtime.Eventually(t, fmt.Sprintf("%q on the terminal", text), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return bytes.Contains(m.text, []byte(text))
	})
}

// screen returns the lines that a terminal shows after a text, which may have the control sequences of progress.
func screen(text string) []string {
	lines, row, column := [][]rune{nil}, 0, 0
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		rest := text[size:]
		switch {
		case r == '\r':
			column = 0
		case r == '\n':
			if row++; row == len(lines) {
				lines = append(lines, nil)
			}
		case r == '\x1b' && strings.HasPrefix(rest, "[J"):
			rest = rest[2:]
			lines = lines[:row+1]
			lines[row] = lines[row][:min(column, len(lines[row]))]
		default:
			for len(lines[row]) <= column {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][column] = r
			column++
		}
		text = rest
	}
	var all []string
	for _, line := range lines {
		all = append(all, strings.TrimRight(string(line), " "))
	}
	return all
}

// On a terminal, the progress of a run is a line that leaves no trace: what remains on the screen is what commands and
// shardfs have written, whole lines.
func TestProgressOnTerminal(t *testing.T) {
	dir := t.TempDir()
	shard := shardtest.Write(t, "a.x", "b.x", "c.x", "d.x")
	gate := filepath.Join(dir, "gate")
	shardtest.Check(t, unix.Mkfifo(gate, 0o600))
	m := newTerminal(t, 100)
	command := `echo out $SAMPLE_KEY; echo err $SAMPLE_KEY >&2; case $SAMPLE_KEY in
		b) cat <` + gate + `; printf half >&2; echo " line" >&2;;
		d) exit 3;; esac`
	cmd := m.start(t, dir, "run", "-j", "1", "--on-error", "skip", "--workspace", "dir", "-c", command, shard,
		"-o", "out.tar")
	m.shows(t, "shardfs: run: 1 of 4 samples, ")
	m.resize(t, 30)
	f, err := os.OpenFile(gate, os.O_WRONLY, 0)
	shardtest.Check(t, err)
	shardtest.Check(t, f.Close())
	text := m.wait(cmd)
	if cmd.ProcessState.ExitCode() != exitPartly {
		t.Errorf("%v: %q", cmd.ProcessState, text)
	}
	got := screen(text)
	want := []string{
		"err a", "out a", "err b", "out b", "err c", "half line", "out d",
		"shardfs: error: " + shard + ": sample d: exit status 3",
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%q is not on the screen", line)
		}
	}
	for _, line := range got {
		if strings.Contains(line, "run: ") {
			t.Errorf("progress is left on the screen: %q", line)
		}
	}
	if t.Failed() {
		t.Logf("%q\n%s", text, strings.Join(got, "\n"))
	}
}

// While a remote shard is indexed, a terminal shows how many bytes of it are read, how fast, and how long the rest takes.
func TestRemoteProgressOnTerminal(t *testing.T) {
	content := bytes.Repeat([]byte("shardfs!"), 1<<16) // of a member
	var members []string
	dir := t.TempDir()
	for i := range 10 {
		name := fmt.Sprintf("%d.bin", i)
		shardtest.Check(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
		members = append(members, name)
	}
	shard := filepath.Join(dir, "shard.tar")
	out, err := exec.Command("tar", append([]string{"-C", dir, "-cf", shard}, members...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, verb := range [][]string{
		{"index", ""}, {"ls", ""}, {"cat", "", "0.bin"}, {"check", ""}, {"run", "-c", "true", ""}, {"mount", "", "mnt"},
	} {
		t.Run(verb[0], func(t *testing.T) {
			t.Parallel()
			more := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "shard.tar") {
					http.NotFound(w, r)
					return
				}
				first, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
				if at, err := strconv.Atoi(first); err != nil || at > 3<<19 { // the first samples come at once
					select {
					case <-more:
					case <-r.Context().Done():
						return
					}
				}
				serveFile(w, r, shard)
			}))
			t.Cleanup(server.Close)
			release := sync.OnceFunc(func() { close(more) })
			t.Cleanup(release)
			args := slices.Clone(verb)
			args[slices.Index(args, "")] = server.URL + "/shard.tar"
			m, dir := newTerminal(t, 80), t.TempDir()
			cmd := m.start(t, dir, args...)
			m.shows(t, "B of 5.3 MB, ")
			m.shows(t, " a second, ")
			m.shows(t, "s left")
			release()
			text := m.wait(cmd)
			if !cmd.ProcessState.Success() {
				t.Errorf("%v: %q", cmd.ProcessState, text)
			}
			if strings.Contains(strings.Join(screen(text), "\n"), " left") {
				t.Errorf("progress is left on the screen: %q", screen(text))
			}
			if verb[0] == "mount" {
				out, err := exec.Command("shardfs", "umount", filepath.Join(dir, "mnt")).CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}
		})
	}
}
