package erofs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// heldFile is a file that is used, and read, when the test says so.
type heldFile struct {
	uses  chan bool     // an element for each call of Used; closed: all return true
	reads chan [2]int64 // what is read; nil: nobody looks
	err   error

	mu       sync.Mutex
	read     [][2]int64 // parts that were read, merged
	used     bool       // WasUsed returns it
	released int
}

func newHeldFile() *heldFile {
	return &heldFile{uses: make(chan bool, 100), reads: make(chan [2]int64)}
}

func (f *heldFile) HasAll(off, n int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return n <= 0 || slices.ContainsFunc(f.read, func(r [2]int64) bool { return r[0] <= off && off+n <= r[1] })
}

func (f *heldFile) Used(ctx context.Context) bool {
	select {
	case used, open := <-f.uses:
		return used || !open
	case <-ctx.Done():
		return false
	}
}

func (f *heldFile) WasUsed() bool { return f.used }

func (f *heldFile) Read(off, n int64) error {
	if f.reads != nil {
		f.reads <- [2]int64{off, off + n}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := len(f.read); k > 0 && f.read[k-1][1] == off {
		f.read[k-1][1] = off + n
	} else {
		f.read = append(f.read, [2]int64{off, off + n})
	}
	return f.err
}

func (f *heldFile) Release() { f.released++ }

// reader returns a reader that is closed when the test ends.
func testReader(t *testing.T) *reader {
	r := newReader()
	t.Cleanup(r.close)
	return r
}

// What is wanted is read when the file is used, in steps; what was passed before is not.
func TestReader(t *testing.T) {
	r, f := testReader(t), newHeldFile()
	if r.read(1, want{f, 0, 100}, 0) {
		t.Error("the file was used before it was wanted")
	}
	f.uses <- true
	if got := <-f.reads; got != [2]int64{0, 100} {
		t.Errorf("%d is read", got)
	}
	r.wait(f, 0, 100)
	if !r.read(1, want{f, 100, 2 * readStep}, 0) {
		t.Error("the file was used, and is not known to be")
	}
	if r.read(1, want{f, 2 * readStep, 3 * readStep}, 150) { // the walk is at 150 now
		t.Error("a walk goes on before its file is used, and is taken to read contents")
	}
	f.uses <- true
	for from := int64(150); from < 3*readStep; from += readStep {
		if got := <-f.reads; got != [2]int64{from, min(from+readStep, 3*readStep)} {
			t.Errorf("%d is read, want %d", got, from)
		}
	}
}

// What is wanted of a file that is not used is not read, nor after an error or the end.
func TestReaderUnused(t *testing.T) {
	f := newHeldFile()
	f.reads, f.err = nil, errors.New("broken")
	r := newReader()
	for range 3 {
		f.uses <- false
		r.read(1, want{f, 0, 10 * readStep}, 0)
		r.wait(f, 0, 10*readStep)
	}
	f.uses <- true
	for !f.HasAll(0, 1) {
		r.read(2, want{f, 0, 10 * readStep}, 0)
		r.wait(f, 0, 10*readStep)
	}
	r.close()
	if r.read(1, want{f, 10 * readStep, 20 * readStep}, 0); len(f.read) != 1 || f.read[0] != [2]int64{0, readStep} {
		t.Errorf("%d is read", f.read)
	}
	if f.released == 0 {
		t.Error("the file is not released")
	}
}

// Who waits for a part waits until it is read, and for nothing that may never be read.
func TestReaderWait(t *testing.T) {
	r, f := testReader(t), newHeldFile()
	f.used = true
	r.wait(f, 0, 100)
	r.read(1, want{f, 0, 2 * readStep}, 0)
	r.wait(f, 0, 100) // it is not known whether the file will be used
	f.uses <- true
	<-f.reads
	r.read(1, want{f, 2 * readStep, 3 * readStep}, 0)
	r.wait(f, 3*readStep, 4*readStep)
	r.wait(newHeldFile(), 0, 100)
	done := make(chan bool)
	go func() {
		r.wait(f, 2*readStep, 2*readStep+1) // wanted next, of a file that is used
		done <- f.HasAll(2*readStep, 1)
	}()
	<-f.reads
	select {
	case <-done:
		t.Error("the wait has ended before the part is read")
	case <-f.reads:
	}
	if !<-done {
		t.Error("the part is not read")
	}
}

// settle waits until nothing is wanted.
func (r *reader) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.wants) > 0 || r.reading.file != nil {
		r.changed.Wait()
	}
}

// pictures is a shard of some MiB with large and small members.
func pictures(t *testing.T, samples int) *Image {
	var members []member
	for i := range samples {
		key := fmt.Sprintf("%06d", i)
		members = append(members, some(key+".cls")...)
		members = append(members, member{key + ".jpg", strings.Repeat("x", 20_000), shardTime()})
	}
	return imageOf(t, viewOf(t, members), Options{})
}

// A walk that reads contents has the shard read ahead of it, once and in order; one that needs names only has not, nor
// one over a shard that is in memory.
func TestReadAhead(t *testing.T) {
	const samples = 2000
	for _, tt := range []struct {
		name             string
		contents, cached bool
	}{{"contents", true, false}, {"names", false, false}, {"cached", true, true}} {
		t.Run(tt.name, func(t *testing.T) {
			m, f := pictures(t, samples), newHeldFile()
			m.cache, f.reads, f.used = f, nil, tt.contents
			if tt.contents {
				close(f.uses)
			}
			if tt.cached {
				f.read = [][2]int64{{0, m.x.End()}}
			}
			c := &cache{t: t}
			c.pages[0] = make(map[int64][]byte)
			n := m.Names()
			defer n.Close()
			for i := range samples {
				c.read(m, n, 0, m.dirAt(m.x.DirOf(i)))
				if tt.contents && !tt.cached {
					n.reader.settle()
				}
			}
			n.Close()
			var read int64
			for _, r := range f.read {
				read += r[1] - r[0]
			}
			switch {
			case tt.cached && read != m.x.End(), !tt.contents && read != 0:
				t.Errorf("%d of %d bytes are read: %d", read, m.x.End(), f.read)
			case tt.contents && (read < m.x.End()*3/4 || read > m.x.End()):
				t.Errorf("%d of %d bytes are read: %d", read, m.x.End(), f.read)
			}
			if c.reads[0] > 400 {
				t.Errorf("%d reads of names", c.reads[0])
			}
		})
	}
}

// A file is used when another process reads it, and not when this one does.
func TestKernelFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(name, make([]byte, 1<<20), 0o600))
	file, err := os.Open(name)
	check(t, err)
	defer file.Close()
	f := &kernelFile{fd: int(file.Fd())}
	defer f.Release()
	if err := f.open(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		skip.Without(t, "fanotify: %v", err)
	} else {
		check(t, err)
	}
	check(t, errors.Join(f.Read(1<<20, 100), f.Read(0, 1<<20)))
	if !f.HasAll(1, 1<<20-1) {
		t.Error("what was read is not in memory")
	}
	if f.WasUsed() {
		t.Error("used by this process")
	}
	for range 2 {
		check(t, exec.Command("cat", name).Run())
		if !f.Used(t.Context()) || f.WasUsed() {
			t.Error("used, but not once")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f.Used(ctx) {
		t.Error("used after the end")
	}
	check(t, file.Sync())
	unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	if f.HasAll(0, 1<<20) {
		skip.Without(t, "a file system on a disk, to drop its pages")
	}
	check(t, f.Read(0, 4096))
	if !f.HasAll(0, 4096) {
		t.Error("the page that was read is not in memory")
	}
}
