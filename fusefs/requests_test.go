package fusefs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"golang.org/x/sys/unix"
)

// How many requests the kernel sends for an operation is the same on every machine, and nearly all of what the
// operation costs. So these counts are exact: any difference makes mounts slower or faster, and the new count must be
// entered here. A count of 1 for OPEN, OPENDIR or FLUSH is the request to which the server replies that it is not
// needed.
func TestRequests(t *testing.T) {
	const dirs = 10
	each := func(m *mounted, do func(dir string)) {
		for i := range dirs {
			do(m.path(fmt.Sprintf("%06d", i)))
		}
	}
	open := func(m *mounted) {
		each(m, func(dir string) {
			read(t, dir+"/sample.jpg")
			read(t, dir+"/sample.cls")
		})
	}
	asPython := func(m *mounted) { // before 3.14
		each(m, func(dir string) {
			for _, name := range []string{"/sample.jpg", "/sample.cls"} {
				f, err := os.Open(dir + name)
				check(t, err)
				if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != unix.ENOTTY {
					t.Errorf("ask whether a file is a terminal: %v", err)
				}
				check(t, f.Close())
			}
		})
	}
	list := func(m *mounted) { m.sh("", "for i in 0 1 2 3 4 5 6 7 8 9; do ls -l 00000$i; done >/dev/null") }
	for _, tt := range []struct {
		name   string
		before func(m *mounted)
		do     func(m *mounted)
		want   map[string]string // by kind of mount; only these are tried
	}{
		{"read 2 files in 10 directories", nil, open, map[string]string{
			shown:       "FLUSH 1, LOOKUP 30, OPEN 1, READ 20",
			layered:     "FLUSH 1, GETXATTR 1, LOOKUP 30, OPEN 1, READ 20",
			withOverlay: "FLUSH 1, GETXATTR 1, LOOKUP 30, OPEN 1, READ 20",
			withFUSE:    "FLUSH 1, LOOKUP 30, OPEN 20, READ 20, RELEASE 20",
		}},
		{"read them again", open, open, map[string]string{
			shown:       "",
			withOverlay: "",
			withFUSE:    "GETATTR 20, OPEN 20, RELEASE 20",
		}},
		{"open 2 files in 10 directories, as Python does", open, asPython, map[string]string{
			shown:       "IOCTL 20",
			layered:     "",
			withOverlay: "",
		}},
		{"ls -l of 10 directories", nil, list, map[string]string{
			shown:       "GETXATTR 1, LOOKUP 10, OPENDIR 1, READDIRPLUS 20",
			withOverlay: "GETXATTR 1, LOOKUP 10, OPENDIR 1, READDIRPLUS 20",
		}},
		{"ls -l again", list, list, map[string]string{
			shown:       "",
			withOverlay: "",
		}},
		{"find", nil, func(m *mounted) { m.sh("", "find . >/dev/null") }, map[string]string{
			shown:   "OPENDIR 1, READDIRPLUS 22",
			layered: "GETXATTR 1, OPENDIR 1, READDIRPLUS 22",
		}},
		{"stat a name that is missing, in 10 directories, twice", nil, func(m *mounted) {
			for range 2 {
				each(m, func(dir string) {
					if _, err := os.Stat(dir + "/missing"); !os.IsNotExist(err) {
						t.Error(err)
					}
				})
			}
		}, map[string]string{
			shown:       "LOOKUP 20",
			withOverlay: "GETXATTR 1, LOOKUP 20",
			withFUSE:    "LOOKUP 20",
		}},
		{"create and write a file in 10 directories", nil, func(m *mounted) {
			each(m, func(dir string) { write(t, dir+"/new", strings.Repeat("x", 300_000)) })
		}, map[string]string{
			withOverlay: "GETXATTR 1, IOCTL 10, LISTXATTR 1, LOOKUP 20, OPENDIR 1",
			withFUSE:    "CREATE 10, FLUSH 1, GETXATTR 1, LOOKUP 20, RELEASE 10",
		}},
		{"create, rename, read, stat and delete a file in 10 directories", nil, func(m *mounted) {
			each(m, func(dir string) {
				write(t, dir+"/new", "x")
				check(t, os.Rename(dir+"/new", dir+"/newer"))
				read(t, dir+"/newer")
				_, err := os.Stat(dir + "/newer")
				check(t, err)
				check(t, os.Remove(dir+"/newer"))
			})
		}, map[string]string{
			withOverlay: "GETXATTR 1, IOCTL 10, LISTXATTR 1, LOOKUP 30, OPENDIR 1",
			withFUSE: "CREATE 10, FLUSH 1, GETATTR 40, GETXATTR 1, LOOKUP 40, OPEN 10, RELEASE 20, RENAME 10, " +
				"UNLINK 10",
		}},
		{"append to a file in 10 directories", nil, func(m *mounted) {
			each(m, func(dir string) {
				f, err := os.OpenFile(dir+"/sample.cls", os.O_APPEND|os.O_WRONLY, 0)
				check(t, err)
				_, err = f.WriteString("more")
				check(t, err)
				check(t, f.Close())
			})
		}, map[string]string{
			withOverlay: "GETXATTR 1, IOCTL 20, LISTXATTR 1, LOOKUP 20, LSEEK 1, OPEN 1, OPENDIR 1, READ 10",
			withFUSE:    "FLUSH 1, GETXATTR 1, LOOKUP 20, OPEN 10, RELEASE 10",
		}},
	} {
		for _, kind := range slices.Sorted(maps.Keys(tt.want)) {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				if kind != shown {
					needRoot(t) // for overlayfs, and for files that are passed through to
				}
				t.Setenv(traceVariable, "1")
				m := mountMembers(t, kind, samples(dirs)...)
				if _, err := os.Lstat(m.path("nothing")); !errors.Is(err, os.ErrNotExist) { // the root's attributes
					t.Fatal(err)
				}
				if tt.before != nil {
					tt.before(m)
				}
				m.requests()
				tt.do(m)
				if got := m.requests(); got != tt.want[kind] {
					t.Errorf("the kernel asks for\n%q, want\n%q", got, tt.want[kind])
				}
			})
		}
	}
}

// requests returns how many requests of each kind have come since it was last called, except for kinds that the kernel
// sends in its own time.
func (m *mounted) requests() string {
	m.t.Helper()
	// A tracing server reads one request at a time, in the order of the kernel's queue. So this lookup, which no kind
	// of mount answers without the server, comes after all others. Only the RELEASE of a file that was closed can come
	// even later, as a poller of the runtime may be the last to hold it.
	m.asked++
	last := fmt.Sprintf("missing-%d", m.asked)
	if _, err := os.Lstat(m.path(last)); !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	m.waitLog(last, 1)
	var counts map[string]int
	testtime.Eventually(m.t.(*testing.T), "the end of closed files", func() bool {
		counts = map[string]int{}
		for _, line := range m.logged() {
			if kind := traced.FindStringSubmatch(line); kind != nil && !strings.Contains(line, last) {
				counts[kind[1]]++
			}
		}
		return m.kind != withFUSE || m.opened+counts["OPEN"]+counts["CREATE"]-counts["RELEASE"] == m.held
	})
	m.mu.Lock()
	m.log, m.opened = nil, m.held
	m.mu.Unlock()
	for _, kind := range []string{"STATFS", "FORGET", "BATCH_FORGET", "INIT", "INTERRUPT", "POLL"} {
		delete(counts, kind)
	}
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(all, ", ")
}

// traced matches a request in the trace of a server.
var traced = regexp.MustCompile(`^trace: rx \d+: ([A-Z_]+) `)

// As root, a large file is read in requests of 1 MiB.
func TestLargeReads(t *testing.T) {
	needRoot(t)
	t.Setenv(traceVariable, "1")
	for _, kind := range []string{shown, withOverlay} {
		m := mountMembers(t, kind, member{"big.bin", strings.Repeat("0123456789abcdef", 8<<20/16)})
		var st unix.Stat_t
		check(t, unix.Stat(m.dir, &st))
		ahead, err := os.ReadFile(fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(st.Dev),
			unix.Minor(st.Dev)))
		if kind == shown && (err != nil || string(ahead) != "1024\n") {
			skip.Without(t, "a /sys that can be written to: %q, %v", ahead, err)
		}
		m.requests()
		read(t, m.path("big/sample.bin"))
		got := m.requests()
		var reads int
		for _, count := range strings.Split(got, ", ") {
			fmt.Sscanf(count, "READ %d", &reads)
		}
		if reads < 8 || reads > 12 {
			t.Errorf("%s: a file of 8 MiB is read by %q", kind, got)
		}
	}
}
