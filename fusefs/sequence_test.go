package fusefs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/prefetch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/view"
)

// asked keeps what is to be read ahead.
type asked struct {
	files []prefetch.File
	busy  bool
	times int
}

func (a *asked) Is(pid uint32) bool { return pid == 99 }

func (a *asked) Prefetch(files []prefetch.File) bool {
	a.times++
	if !a.busy {
		a.files = append(a.files, files...)
	}
	return !a.busy
}

// took returns the files since the last call, of each directory in a line, "?" after those that are only looked up.
func (a *asked) took() string {
	var b strings.Builder
	last := ""
	for _, f := range a.files {
		dir, name := filepath.Split(f.Path)
		if dir != last {
			fmt.Fprintf(&b, "\n%s", dir)
			last = dir
		}
		b.WriteString(" " + strings.TrimPrefix(name, "sample."))
		if !f.Read {
			b.WriteString("?")
		}
	}
	a.files = nil
	return strings.TrimSpace(b.String())
}

// inOrder is a view of n samples with three files each, "jpg", "cls" and "json", in a directory "d", and what is to be
// read ahead.
func inOrder(t *testing.T, n int) (*sequence, *asked) {
	t.Helper()
	var members []member
	for i := range n {
		for _, ext := range []string{"cls", "jpg", "json"} {
			members = append(members, member{fmt.Sprintf("d/%03d.%s", i, ext), ext})
		}
	}
	name := filepath.Join(t.TempDir(), "t.tar")
	writeShard(t, name, members)
	sh, err := shard.Open(t.Context(), name, shard.Options{})
	check(t, err)
	t.Cleanup(func() { sh.Close() })
	a := &asked{}
	return &sequence{view: view.New(sh), to: a}, a
}

// use reads files of samples from one number to another one.
func (s *sequence) use(pid uint32, from, to int, exts ...string) {
	for i := from; i < to; i++ {
		for _, ext := range exts {
			ino, _, _ := s.view.FileOf(i, index.SampleFile(ext))
			s.read(ino, pid)
		}
	}
}

func TestSequence(t *testing.T) {
	s, a := inOrder(t, 200)
	s.use(1, 0, startRun, "jpg")
	if got := a.took(); got != "" {
		t.Errorf("at first: %s", got)
	}
	window := func(from, to int, exts string) string {
		lines := make([]string, 0, to-from)
		for i := from; i < to; i++ {
			line := exts
			if i == from {
				line = strings.ReplaceAll(exts, " ", "? ") + "?"
			}
			lines = append(lines, fmt.Sprintf("d/%03d/ %s", i, line))
		}
		return strings.Join(lines, "\n")
	}
	s.use(1, startRun, startRun+1, "jpg")
	if got, want := a.took(), window(33, 49, "jpg"); got != want {
		t.Errorf("the first window is\n%s\nwant\n%s", got, want)
	}
	s.use(1, 33, 34, "jpg", "cls")
	if got, want := a.took(), window(49, 65, "jpg"); got != want {
		t.Errorf("the second window is\n%s\nwant\n%s", got, want)
	}
	s.use(1, 34, 49, "jpg") // as if it had not been read ahead in time
	if got := a.took(); got != "" {
		t.Errorf("within a window: %s", got)
	}
	s.use(1, 49, 50, "jpg", "cls")
	if got, want := a.took(), window(65, 81, "jpg cls"); got != want {
		t.Errorf("with a second file the window is\n%s\nwant\n%s", got, want)
	}
	s.use(2, 65, 66, "jpg") // another process, which follows
	if got := a.took(); !strings.HasPrefix(got, "d/081/ jpg? cls?\n") {
		t.Errorf("of another process the window is\n%s", got)
	}
	s.use(3, 190, 191, "jpg")
	s.use(3, 191, 199, "jpg")
	if got := a.took(); got != "" {
		t.Errorf("after a jump: %s", got)
	}
}

func TestSequenceOrders(t *testing.T) {
	for name, use := range map[string]func(s *sequence){
		"backwards": func(s *sequence) {
			for i := 199; i >= 0; i-- {
				s.use(1, i, i+1, "jpg")
			}
		},
		"every tenth": func(s *sequence) {
			for range 20 {
				for i := 0; i < 200; i += 10 {
					s.use(1, i, i+1, "jpg")
				}
			}
		},
		"the same": func(s *sequence) {
			for range 200 {
				s.use(1, 7, 8, "jpg")
			}
		},
		"two readers take turns": func(s *sequence) {
			for i := range 200 {
				s.use(uint32(1+i%2), i, i+1, "jpg")
			}
		},
		"two readers at two places": func(s *sequence) {
			for i := range 100 {
				s.use(1, i, i+1, "jpg")
				s.use(2, i+100, i+101, "jpg")
			}
		},
		"files that are not members": func(s *sequence) {
			for i := range view.Ino(200) {
				s.read(i, 1)
			}
		},
	} {
		s, a := inOrder(t, 200)
		use(s)
		if a.times > 0 {
			t.Errorf("%s: %s", name, a.took())
		}
	}
	s, a := inOrder(t, 200)
	for i := range 200 {
		s.use(uint32(1000+i), i, i+1, "cls") // each by a process of its own
	}
	if got := strings.Count(a.took(), "cls"); got < 200-startRun-3*aheadSamples {
		t.Errorf("processes that follow each other: %d files", got)
	}
	s, a = inOrder(t, 200)
	a.busy = true
	s.use(1, 0, 200, "jpg")
	if a.times == 0 || a.times > 200/aheadSamples {
		t.Errorf("a busy process is asked %d times", a.times)
	}
	s, a = inOrder(t, startRun+5)
	s.use(1, 0, startRun+5, "jpg")
	if got := a.took(); strings.Count(got, "jpg") != 4 {
		t.Errorf("at the end: %s", got)
	}
}

// ahead is a kind of mount that is read ahead.
const ahead = "ahead"

// endAhead is a mount with the process that reads ahead.
type endAhead struct {
	*Server
	ahead *prefetch.Process
}

// End ends the process.
func (e endAhead) End() { e.ahead.Close() }

func mountAhead(set *view.Set, mountpoint string, o Options) (overlayfs.Lower, error) {
	p := prefetch.New(mountpoint)
	o.Prefetcher = p
	s, err := MountReadOnly(set, mountpoint, o)
	if err != nil {
		p.Close()
		return nil, err
	}
	p.Begin()
	return endAhead{s, p}, nil
}

// What was read ahead is used without a request.
func TestReadAhead(t *testing.T) {
	t.Setenv(traceVariable, "1")
	m := mountMembers(t, ahead, samples(200)...)
	runtime.LockOSThread() // the kernel tells threads, not processes
	defer runtime.UnlockOSThread()
	use := func(from, to int) {
		for i := from; i < to; i++ {
			key := fmt.Sprintf("%06d", i)
			if got := read(t, m.path(key+"/sample.jpg")); got != strings.Repeat(key, 100) {
				t.Fatalf("%s has other bytes", key)
			}
		}
	}
	use(0, startRun+1)
	const first = startRun + 1 // of the first window
	reads := func() int {
		return len(slices.DeleteFunc(m.logged(), func(l string) bool {
			kind := traced.FindStringSubmatch(l)
			return kind == nil || kind[1] != "READ"
		}))
	}
	testtime.Eventually(t, "the first window", func() bool { return reads() == first+aheadSamples-1 })
	m.requests()
	use(first+1, first+aheadSamples)
	if got := m.requests(); got != "" {
		t.Errorf("files that were read ahead take %q", got)
	}
	use(first, first+1) // its names were looked up; it leads to the next window
	testtime.Eventually(t, "the second window", func() bool { return reads() == aheadSamples })
	m.requests()
	use(first+aheadSamples+1, first+2*aheadSamples)
	if got := m.requests(); got != "" {
		t.Errorf("files of the second window take %q", got)
	}
	use(0, 200)
}

// When a server is killed, a process that reads ahead neither keeps its connection nor outlives it.
func TestReadAheadKilled(t *testing.T) {
	m := mountMembers(t, ahead, samples(2000)...)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; len(m.readingAhead()) == 0; i++ {
		read(t, m.path(fmt.Sprintf("%06d/sample.jpg", i%2000)))
	}
	process := m.readingAhead()[0]
	for _, fd := range names(t, process+"/fd") {
		if target, _ := os.Readlink(process + "/fd/" + fd); target == "/dev/fuse" {
			t.Error("it has the connection")
		}
	}
	check(t, m.cmd.Process.Kill())
	testtime.Receive(t, m.done, "the end of the server")
	m.cmd = nil
	if _, err := os.Stat(m.path("missing")); !isCut(err) {
		t.Errorf("after that: %v", err)
	}
	testtime.Eventually(t, "the end of the process", func() bool {
		state, err := os.ReadFile(process + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
	check(t, Unmount(m.dir, true))
}

// readingAhead returns the directories in /proc of the server's children that read ahead.
func (m *mounted) readingAhead() (found []string) {
	m.t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", m.cmd.Process.Pid))
	check(m.t, err)
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for _, pid := range strings.Fields(string(pids)) {
			if comm, _ := os.ReadFile("/proc/" + pid + "/comm"); string(comm) == prefetch.Name+"\n" {
				found = append(found, "/proc/"+pid)
			}
		}
	}
	return found
}
