package fusefs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// named is a kind of mount that shows the files of testFiles instead of a shard.
const named = "files"

// Sizes of test files.
const (
	countedSize = 3<<40 + 123 // more than any image needs, and no multiple of a page
	shortSize   = 1 << 16
	pushedSize  = 1<<20 + 123
	pushedAhead = 256 << 10
)

// counted is a file whose bytes tell their places: each group of 8 has the number of the group, lowest byte first.
type counted int64

func (c counted) Size() int64 { return int64(c) }

func (c counted) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(p)), int64(c)-off)))
	copy(p[:n], count(off, n))
	if off+int64(n) == int64(c) {
		return n, io.EOF // as an io.ReaderAt may
	}
	return n, nil
}

// count returns n bytes of a counted file.
func count(off int64, n int) []byte {
	var b []byte
	for i := off / 8; i <= (off+int64(n))/8; i++ {
		b = binary.LittleEndian.AppendUint64(b, uint64(i))
	}
	return b[off%8:][:n]
}

// pushed is a counted file that stores what comes after the page that was read. It logs each call of Ahead.
type pushed struct{ counted }

func (p pushed) Ahead(off int64, n int, store storeFunc) {
	next := (off + int64(n)) / 4096 * 4096
	content := count(next, int(min(pushedAhead, int64(p.counted)-next)))
	unused := store(0, count(0, 4096), 0)
	fmt.Printf("log: stored at %d after a read of %d: %v, of a file without users: %v\n", next, n,
		store(1, content, next), unused)
}

// broken is a file that replies to a read with these results, and panics without an error.
type broken struct {
	n   int
	err error
}

func (broken) Size() int64 { return shortSize }

func (b broken) ReadAt(context.Context, []byte, int64) (int, error) {
	if b.n == 0 && b.err == nil {
		panic("a bug")
	}
	return b.n, b.err
}

func testFiles() []NamedFile {
	return []NamedFile{
		{"counted", counted(countedSize)},
		{"pushed", pushed{counted(pushedSize)}},
		{"empty", counted(0)},
		{"changed", broken{0, fmt.Errorf("t.tar: %w", store.ErrChanged)}},
		{"damaged", broken{0, errors.New("t.tar: damaged")}},
		{"denied", broken{0, unix.EPERM}},
		{"short", broken{100, nil}},
		{"ended", broken{100, io.EOF}},
		{"panics", broken{}},
	}
}

func TestFiles(t *testing.T) {
	m := mountMembers(t, named)
	want := []string{"counted", "pushed", "empty", "changed", "damaged", "denied", "short", "ended", "panics"}
	if got := names(t, m.dir); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the mount lists %q, want %q", got, want)
	}
	f, err := os.Open(m.path("counted"))
	check(t, err)
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != countedSize || info.Mode() != 0o400 {
		t.Errorf("the file has %d bytes, mode %v, %v", info.Size(), info.Mode(), err)
	}
	for _, tt := range []struct {
		off  int64
		n    int
		want int
	}{
		{0, 1, 1}, {4095, 2, 2}, {1 << 40, 3 << 20, 3 << 20}, {countedSize - 5000, 9000, 5000}, {countedSize, 1, 0},
		{countedSize + 1<<20, 1, 0}, {countedSize - 123, 123, 123}, {12345, 1 << 20, 1 << 20},
	} {
		p := make([]byte, tt.n)
		n, err := f.ReadAt(p, tt.off)
		if n != tt.want || err != nil && err != io.EOF || !bytes.Equal(p[:n], count(tt.off, n)) {
			t.Errorf("%d bytes at %d: %d bytes, %v, or other ones", tt.n, tt.off, n, err)
		}
	}
	if got := read(t, m.path("empty")); got != "" {
		t.Errorf("the empty file has %q", got)
	}
	if got := read(t, m.path("pushed")); got != string(count(0, pushedSize)) {
		t.Errorf("pushed has %d bytes, or other ones", len(got))
	}
	for _, err := range []error{
		os.WriteFile(m.path("counted"), nil, 0), os.WriteFile(m.path("new"), nil, 0o600), os.Remove(m.path("counted")),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("a change: %v, want EROFS", err)
		}
	}
	if _, err := os.Stat(m.path("missing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A reader of bytes that cannot be had gets an error, and never fewer bytes or other ones; the log gets the cause.
func TestFilesErrors(t *testing.T) {
	m := mountMembers(t, named)
	for name, want := range map[string]struct {
		errno error
		log   string
	}{
		"changed": {unix.ESTALE, store.ErrChanged.Error()},
		"damaged": {unix.EIO, "t.tar: damaged"},
		"denied":  {unix.EPERM, ""},
		"short":   {unix.EIO, "short: byte 100 of 65536: unexpected EOF"},
		"ended":   {unix.EIO, "ended: byte 100 of 65536: unexpected EOF"},
		"panics":  {unix.EIO, "a bug"},
	} {
		// As a whole, and a byte, which the kernel reads as a page.
		got, err := os.ReadFile(m.path(name))
		if len(got) > 0 || !errors.Is(err, want.errno) && !errors.Is(err, unix.EIO) {
			t.Errorf("%s: %d bytes, %v, want %v", name, len(got), err, want.errno)
		}
		fd, err := unix.Open(m.path(name), unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		check(t, err)
		if n, err := unix.Pread(fd, make([]byte, 4096), 4096); n > 0 || err != want.errno {
			t.Errorf("%s: a direct read: %d bytes, %v, want %v", name, n, err, want.errno)
		}
		check(t, unix.Close(fd))
		if want.log != "" {
			m.waitLog(want.log, 1)
		}
		if st, err := os.Stat(m.path(name)); err != nil || st.Size() != shortSize {
			t.Errorf("%s: after the error it has %d bytes, %v", name, st.Size(), err)
		}
	}
	if got, err := os.ReadFile(m.path("empty")); len(got) > 0 || err != nil {
		t.Errorf("after the errors: %q, %v", got, err)
	}
}

// What a file stores is read without a request.
func TestFilesStore(t *testing.T) {
	t.Setenv(traceVariable, "1")
	m := mountMembers(t, named)
	f, err := os.Open(m.path("pushed"))
	check(t, err)
	defer f.Close()
	check(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)) // no read-ahead
	readAt := func(off int64, n int) {
		t.Helper()
		p := make([]byte, n)
		got, err := f.ReadAt(p, off)
		if want := int(min(int64(n), pushedSize-off)); got != want || !bytes.Equal(p[:got], count(off, got)) {
			t.Errorf("%d bytes at %d: %d, %v, or other ones", n, off, got, err)
		}
	}
	m.requests()
	readAt(5, 10)
	m.waitLog("stored at 4096 after a read of 4096: <nil>, of a file without users: no such file or directory", 1)
	if got := m.requests(); !strings.HasSuffix(got, "READ 1") {
		t.Errorf("the first page takes %q", got)
	}
	readAt(4096, pushedAhead)
	if got := m.requests(); got != "" {
		t.Errorf("what was stored takes %q", got)
	}
	const last = pushedSize / 4096 * 4096
	readAt(last-4096, 1)
	m.waitLog(fmt.Sprintf("stored at %d after a read of 4096: <nil>", last), 1)
	if got := m.requests(); got != "READ 1" {
		t.Errorf("the last page but one takes %q", got)
	}
	readAt(last, 4096)
	if got := m.requests(); got != "" {
		t.Errorf("the last page, which is not whole, takes %q", got)
	}
	if info, err := f.Stat(); err != nil || info.Size() != pushedSize {
		t.Errorf("afterwards the file has %d bytes, %v", info.Size(), err)
	}
}

// A part that a file does not have is not stored: the kernel would make the file longer.
func TestFilesStoreRefused(t *testing.T) {
	f, err := newFiles(testFiles(), nil)
	check(t, err)
	s := &Server{files: f}
	for _, tt := range []struct {
		file int
		n    int
		off  int64
	}{
		{-1, 1, 0}, {len(testFiles()), 1, 0}, {1, 1, -4096}, {1, 1, 1}, {1, pushedSize + 1, 0}, {2, 1, 0},
		{1, 124, pushedSize - 123}, {1, 1, pushedSize + 4096 - 123}, {1, 1, math.MaxInt64 / 4096 * 4096},
	} {
		if err := s.Store(tt.file, make([]byte, tt.n), tt.off); err != unix.EINVAL {
			t.Errorf("%d bytes at %d of file %d: %v, want EINVAL", tt.n, tt.off, tt.file, err)
		}
	}
	if err := s.Store(1, nil, 0); err != nil {
		t.Errorf("no bytes: %v", err)
	}
	if err := (&Server{}).Store(0, nil, 0); err != unix.EINVAL {
		t.Errorf("a mount of another kind: %v, want EINVAL", err)
	}
}

func TestFilesNames(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "a/b", "a\x00", strings.Repeat("x", 256)} {
		if _, err := newFiles([]NamedFile{{bad, counted(1)}}, nil); err == nil {
			t.Errorf("the name %q is accepted", bad)
		}
	}
	if _, err := newFiles([]NamedFile{{"a", counted(1)}, {"b", counted(1)}, {"a", counted(1)}}, nil); err == nil {
		t.Error("two equal names are accepted")
	}
}

// As root, a large file is read in requests of 1 MiB.
func TestFilesLargeReads(t *testing.T) {
	needRoot(t)
	t.Setenv(traceVariable, "1")
	m := mountMembers(t, named)
	var st unix.Stat_t
	check(t, unix.Stat(m.dir, &st))
	name := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(st.Dev), unix.Minor(st.Dev))
	if ahead, err := os.ReadFile(name); err != nil || string(ahead) != "1024\n" {
		skip.Without(t, "a /sys that can be written to: %q, %v", ahead, err)
	}
	m.requests()
	f, err := os.Open(m.path("counted"))
	check(t, err)
	defer f.Close()
	const size = 8 << 20
	h := bytes.NewBuffer(nil)
	if n, err := io.Copy(h, io.LimitReader(f, size)); n != size || !bytes.Equal(h.Bytes(), count(0, size)) {
		t.Errorf("%d bytes, %v, or other ones", n, err)
	}
	var lookups, opens, reads int
	got := m.requests()
	n, err := fmt.Sscanf(got, "LOOKUP %d, OPEN %d, READ %d", &lookups, &opens, &reads)
	if n != 3 || reads < 8 || reads > 16 {
		t.Errorf("8 MiB are read by %q, %v", got, err)
	}
}

// Other users have no access.
func TestFilesOtherUsers(t *testing.T) {
	needRoot(t)
	m := mountMembers(t, named)
	as := func(uid uint32) error {
		cmd := exec.Command("head", "-c1", "counted")
		cmd.Dir = "/"
		fd, err := os.Open(m.dir) // its parents are closed to others
		check(t, err)
		defer fd.Close()
		cmd.ExtraFiles = []*os.File{fd}
		cmd.Args[2] = "/proc/self/fd/3/counted"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	check(t, as(0))
	if err := as(65534); err == nil || !strings.Contains(err.Error(), "ermission denied") {
		t.Errorf("another user: %v, want that it is denied", err)
	}
}

// Files that are open outlive an unmount, and the server ends with the last of them.
func TestFilesEnd(t *testing.T) {
	m := mountMembers(t, named)
	f, err := os.Open(m.path("counted"))
	check(t, err)
	defer f.Close()
	m.stdin.Close()
	testtime.Eventually(t, "the unmount", func() bool { return len(names(t, m.dir)) == 0 })
	p := make([]byte, 1<<20)
	if _, err := f.ReadAt(p, 1<<41); err != nil || !bytes.Equal(p, count(1<<41, len(p))) {
		t.Errorf("after the unmount: %v, or other bytes", err)
	}
	select {
	case <-m.done:
		t.Error("the server has ended before its last user")
	default:
	}
	check(t, f.Close())
	testtime.Receive(t, m.done, "the end of the server")
	m.cmd = nil
}

// notified is a file that sends what Ahead is called with, and then waits.
type notified struct {
	counted
	got     chan int64
	release chan struct{}
	running atomic.Int32
}

func (n *notified) Ahead(off int64, _ int, _ storeFunc) {
	if n.running.Add(1) > 1 {
		panic("two at a time")
	}
	n.got <- off
	<-n.release
	n.running.Add(-1)
	if off == 4 {
		panic("of Ahead")
	}
}

// Ahead is called once at a time, with the last read, and wait waits for it.
func TestFilesAhead(t *testing.T) {
	n := &notified{counted: 100, got: make(chan int64), release: make(chan struct{})}
	faults := make(chan error, 1)
	f, err := newFiles([]NamedFile{{"a", n}}, func(err error) { faults <- err })
	check(t, err)
	file := f.all[0]
	file.wasRead(1, 1) // before the mount is ready
	f.ready(func(int, []byte, int64) error { return nil })
	file.wasRead(2, 0) // no bytes
	for _, step := range []struct{ reads, want []int64 }{
		{[]int64{3, 5, 6, 4}, []int64{3, 4}},
		{[]int64{7}, []int64{7}}, // after a fault
	} {
		for i, off := range step.reads {
			file.wasRead(off, 1)
			if i == 0 {
				if got := testtime.Receive(t, n.got, "a call of Ahead"); got != step.want[0] {
					t.Errorf("Ahead is called for %d, want %d", got, step.want[0])
				}
			}
		}
		for _, want := range step.want[1:] {
			n.release <- struct{}{}
			if got := testtime.Receive(t, n.got, "the next call of Ahead"); got != want {
				t.Errorf("Ahead is called for %d, want %d", got, want)
			}
		}
		ended := make(chan struct{})
		go func() {
			f.wait()
			close(ended)
		}()
		select {
		case <-ended:
			t.Error("wait does not wait")
		default:
		}
		n.release <- struct{}{}
		testtime.Receive(t, ended, "the end of Ahead")
	}
	if err := testtime.Receive(t, faults, "the fault"); !strings.Contains(err.Error(), "of Ahead") {
		t.Errorf("the log gets %v", err)
	}
}
