package prefetch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// TestMain lets the test binary start itself to read ahead.
func TestMain(m *testing.M) {
	if os.Getenv(Variable) != "" {
		Run(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

func TestMessages(t *testing.T) {
	var b []byte
	long := strings.Repeat("x", 5000)
	want := [][]string{nil, {""}, {"+a/b", "-\xff\n\x00"}, {long, "y"}}
	for _, texts := range want {
		b = appendMessage(b, texts...)
	}
	r := bufio.NewReader(bytes.NewReader(b))
	for _, texts := range want {
		if got, err := readMessage(r); err != nil || !slices.Equal(got, texts) {
			t.Errorf("%.20q is read as %.20q, %v", texts, got, err)
		}
	}
	if _, err := readMessage(r); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for _, bad := range []string{
		"\x01", "\x01\x05abc", "\xff\xff\xff\xff\x0f", "\x01\xff\xff\xff\xff\x0f", strings.Repeat("\xff", 20),
		"\x02\x01a",
	} {
		if got, err := readMessage(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q is read as %q", bad, got)
		}
	}
	for _, f := range []File{{"a", true}, {"a", false}, {"+a", false}, {"-a", true}, {"", true}} {
		if got := decode(encode([]File{f})[0]); got != f {
			t.Errorf("%v becomes %v", f, got)
		}
	}
}

// watched is a directory whose files are watched for being opened.
type watched struct {
	t    *testing.T
	dir  string
	fd   int
	seen []string
}

// watch makes a directory with files.
func watch(t *testing.T, files ...string) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir()}
	for _, name := range files {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(w.dir, name)), 0o755))
		check(t, os.WriteFile(filepath.Join(w.dir, name), []byte(name), 0o644))
	}
	var err error
	w.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	check(t, err)
	t.Cleanup(func() { unix.Close(w.fd) })
	_, err = unix.InotifyAddWatch(w.fd, filepath.Join(w.dir, "a"), unix.IN_OPEN)
	check(t, err)
	return w
}

// opened returns the names of the files in a that were opened until now.
func (w *watched) opened() []string {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(w.fd, buf)
		if err != nil || n <= 0 {
			return w.seen
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			size := int(b[12]) | int(b[13])<<8
			name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:][:size]), "\x00")
			if name != "" {
				w.seen = append(w.seen, name)
			}
			b = b[unix.SizeofInotifyEvent+size:]
		}
	}
}

func TestProcess(t *testing.T) {
	w := watch(t, "a/1", "a/2", "a/3", "a/4")
	p := New(w.dir)
	p.Begin()
	if p.Is(1) {
		t.Error("before it is started, process 1 is it")
	}
	if !p.Prefetch([]File{{"a/1", true}, {"a/missing", true}, {"a/2", false}, {"../x", true}, {"a", true}}) {
		t.Error("at first it is busy")
	}
	testtime.Eventually(t, "the first files", func() bool { return slices.Equal(w.opened(), []string{"1", "2"}) })
	for _, name := range []string{"3", "4"} {
		testtime.Eventually(t, "the end of others", func() bool { return p.Prefetch([]File{{"a/" + name, true}}) })
	}
	testtime.Eventually(t, "the next files", func() bool {
		return slices.Equal(w.opened(), []string{"1", "2", "3", "4"})
	})
	thread := p.thread.Load()
	if thread == 0 || !p.Is(thread) || p.Is(uint32(os.Getpid())) || !p.Is(0) {
		t.Errorf("the thread is %d", thread)
	}
	children := childrenNamed(t, Name)
	if len(children) != 1 {
		t.Fatalf("there are the processes %v", children)
	}
	testtime.Eventually(t, "all files to be closed", func() bool {
		return !slices.ContainsFunc(readDir(t, children[0]+"/fd"), func(fd string) bool {
			target, _ := os.Readlink(children[0] + "/fd/" + fd)
			return strings.HasPrefix(target, w.dir)
		})
	})
	p.Close()
	if left := childrenNamed(t, Name); len(left) > 0 {
		t.Errorf("there are still the processes %v", left)
	}
}

// A process that has ended is not started again, and does not keep the server.
func TestProcessKilled(t *testing.T) {
	w := watch(t, "a/1", "a/2")
	p := New(w.dir)
	p.Begin()
	p.Prefetch([]File{{"a/1", true}})
	testtime.Eventually(t, "the first file", func() bool { return len(w.opened()) == 1 })
	pid, err := strconv.Atoi(filepath.Base(childrenNamed(t, Name)[0]))
	check(t, err)
	check(t, unix.Kill(pid, unix.SIGKILL))
	testtime.Eventually(t, "a refusal", func() bool { return !p.Prefetch([]File{{"a/2", true}}) })
	testtime.Receive(t, p.ended, "the end")
	p.Close()
}

func TestProcessUnused(t *testing.T) {
	p := New(t.TempDir())
	p.Begin()
	p.Close()
	New("/nonexistent").Close()
	p = New("/nonexistent")
	p.Begin()
	p.Close()
}

// Files of another mount at the mountpoint are not used, and mistakes end the process.
func TestRun(t *testing.T) {
	w := watch(t, "a/1")
	device, err := deviceOf(unix.AT_FDCWD, w.dir)
	check(t, err)
	for _, tt := range []struct {
		name    string
		in      []byte
		replies int
		opened  int
	}{
		{"nothing", nil, 0, 0},
		{"no message", []byte("\xff"), 0, 0},
		{"one text", appendMessage(nil, w.dir), 0, 0},
		{"no number", appendMessage(nil, w.dir, "x"), 0, 0},
		{"another device", appendMessage(appendMessage(nil, w.dir, fmt.Sprint(device+1)), "+a/1"), 2, 0},
		{"no mountpoint", appendMessage(appendMessage(nil, w.dir+"/none", fmt.Sprint(device)), "+a/1"), 2, 0},
		{"a file", appendMessage(appendMessage(nil, w.dir, fmt.Sprint(device)), "+a/1"), 2, 1},
	} {
		cmd, out := selfRun(t, tt.in)
		replies := 0
		for r := bufio.NewReader(bytes.NewReader(out)); ; replies++ {
			if _, err := readMessage(r); err != nil {
				break
			}
		}
		if replies != tt.replies || len(w.opened()) != tt.opened || !cmd.Success() {
			t.Errorf("%s: %d replies, %d files, %v", tt.name, replies, len(w.opened()), cmd)
		}
	}
}
