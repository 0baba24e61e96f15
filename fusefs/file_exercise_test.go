package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Reads return what was written, in a plain directory, in a sample's directory, and for a member of the shard, small or
// large, also after mounting again.
func TestFileExercise(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		fileSeeds(t, func(t *testing.T, seed uint64, operations int, mapped bool) {
			fileExercise(t, filepath.Join(t.TempDir(), "new"), "", seed, operations, mapped)
		})
	})
	withChanges(t, func(t *testing.T, kind string) {
		fileSeeds(t, func(t *testing.T, seed uint64, operations int, mapped bool) {
			large := member{"large.bin", strings.Repeat("a large member\n", 12_345)}
			members := append(samples(3), large)
			m := mountMembers(t, kind, members...)
			want := map[string][]byte{}
			for _, f := range []struct {
				name, content string
				operations    int
			}{
				{"000000/new", "", operations},
				{"000000/sample.jpg", members[1].content, operations / 4}, // what is of interest is how they begin
				{"large/sample.bin", large.content, operations / 4},
			} {
				want[f.name] = fileExercise(t, m.path(f.name), f.content, seed, f.operations, mapped)
			}
			m.restart()
			for name, content := range want {
				if read(t, m.path(name)) != string(content) {
					t.Errorf("%s, mounted again, has another content", name)
				}
			}
			if log := m.logged(); len(log) > 0 {
				t.Errorf("the server has logged %q", log)
			}
		})
	})
}

// fileSeeds runs a test with random numbers of several seeds, without mapped memory and with it.
func fileSeeds(t *testing.T, test func(t *testing.T, seed uint64, operations int, mapped bool)) {
	seeds, operations := 1, 2000
	if *long {
		seeds, operations = 5, 20_000
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("calls/", seed), func(t *testing.T) { test(t, seed, operations, false) })
		t.Run(fmt.Sprint("mapped/", seed), func(t *testing.T) { test(t, seed, operations, true) })
	}
}

// fileExerciser does random operations with one file and keeps its expected content.
type fileExerciser struct {
	t       testing.TB
	r       *rand.Rand
	name    string
	mapped  bool
	writer  *opening
	reader  *opening // opened for reading only, before the writer where the file exists already
	content []byte   // what the file must hold; it has room for the largest file
	noise   []byte
	calls   []int // those of the allocations that the file system has
	history []string
}

// opening is one way in which the file is open.
type opening struct {
	file   *os.File
	memory []byte // the largest file, mapped, however long the file is; nil if it is not mapped
}

// fileExercise does random operations with a file: reads, writes within it and beyond its end, truncates, holes, syncs,
// and new opens, and, if mapped, reads and writes of its memory. Every read must find what has been written. If the
// file exists already, it must contain content. Its final content is returned.
func fileExercise(t testing.TB, name, content string, seed uint64, operations int, mapped bool) []byte {
	t.Helper()
	x := &fileExerciser{
		t: t, r: rand.New(rand.NewPCG(seed, 2)), name: name, mapped: mapped,
		content: append(make([]byte, 0, largest), content...), noise: noise(seed, 2*largest),
	}
	x.probe()
	x.reader, x.writer = &opening{}, &opening{}
	defer func() {
		for _, v := range []*opening{x.reader, x.writer} {
			v.file.Close() // also after a failure
			if v.memory != nil {
				unix.Munmap(v.memory)
			}
		}
	}()
	if content == "" {
		x.open(x.writer, os.O_CREATE|os.O_RDWR)
		x.open(x.reader, os.O_RDONLY)
	} else {
		x.mapped = false // overlayfs documents that memory mapped before the first change of a file stays as it is
		x.open(x.reader, os.O_RDONLY)
		if x.r.IntN(2) == 0 {
			x.read(x.reader, 0, largest) // so that the kernel has pages of it when that change comes
		}
		x.mapped = mapped
		x.open(x.writer, os.O_RDWR)
		if mapped {
			x.reopen(x.reader)
		}
	}
	for range operations {
		x.step()
		for _, v := range []*opening{x.reader, x.writer} {
			info, err := v.file.Stat()
			x.do("fstat", err)
			if info.Size() != int64(len(x.content)) {
				x.fail("fstat: %d bytes, want %d", info.Size(), len(x.content))
			}
		}
	}
	x.read(x.reader, 0, largest)
	x.read(x.writer, 0, largest)
	x.do("close", x.writer.file.Close())
	x.do("close", x.reader.file.Close())
	got, err := os.ReadFile(name)
	x.do("read after all", err)
	x.compare("the file", got, 0, len(x.content))
	return x.content
}

// probe finds out which modes of fallocate the file system supports.
func (x *fileExerciser) probe() {
	x.t.Helper()
	f, err := os.Create(x.name + ".probe")
	check(x.t, err)
	defer func() { check(x.t, errors.Join(f.Close(), os.Remove(f.Name()))) }()
	for i, a := range allocations {
		switch err := fallocate(f, a.mode, 0, 1); err {
		case nil:
			x.calls = append(x.calls, i)
		case unix.EOPNOTSUPP:
			x.t.Logf("%s: left out, the file system cannot: %s", x.name, a.name)
		default:
			x.fail("%s: %v", a.name, err)
		}
	}
}

// open opens the file.
func (x *fileExerciser) open(v *opening, flags int) {
	x.t.Helper()
	f, err := os.OpenFile(x.name, flags, 0o644)
	x.do("open", err)
	v.file, v.memory = f, nil
	if !x.mapped {
		return
	}
	access := unix.PROT_READ
	if flags&os.O_RDWR != 0 {
		access |= unix.PROT_WRITE
	}
	v.memory, err = unix.Mmap(int(f.Fd()), 0, largest, access, unix.MAP_SHARED)
	x.do("mmap", err)
}

// note records the next operation.
func (x *fileExerciser) note(format string, values ...any) {
	x.history = append(x.history, fmt.Sprintf(format, values...))
}

// do ends the test if an operation has failed.
func (x *fileExerciser) do(what string, err error) {
	x.t.Helper()
	if err != nil {
		x.fail("%s: %v", what, err)
	}
}

func (x *fileExerciser) fail(format string, values ...any) {
	x.t.Helper()
	n := len(x.history)
	x.t.Fatalf("%s: %s\nafter %d operations, the last of them\n%s",
		x.name, fmt.Sprintf(format, values...), n, strings.Join(x.history[max(0, n-20):], "\n"))
}

// compare compares the bytes read at off with the n bytes that the file must have there.
func (x *fileExerciser) compare(what string, got []byte, off, n int) {
	x.t.Helper()
	if len(got) != n {
		x.fail("%s: %d bytes at %d of %d, want %d", what, len(got), off, len(x.content), n)
	}
	want := x.content[off:][:n]
	if bytes.Equal(got, want) {
		return
	}
	first, differ := -1, 0
	for i := range got {
		if got[i] != want[i] {
			if differ++; first < 0 {
				first = i
			}
		}
	}
	x.fail("%s: byte %d is %#02x, want %#02x; %d of the %d bytes at %d differ",
		what, off+first, got[first], want[first], differ, n, off)
}

// span picks a range of at least one byte that ends at most at limit. Often it is short, or on the edge of a page.
func (x *fileExerciser) span(limit int) (off, n int) {
	off = x.r.IntN(limit)
	if x.r.IntN(4) == 0 {
		off &^= 4095
	}
	n = 1 + x.r.IntN(min([]int{100, 5000, 64 << 10}[x.r.IntN(3)], limit-off))
	if end := (off + n) &^ 4095; end > off && x.r.IntN(4) == 0 {
		n = end - off
	}
	return off, n
}

// resize sets the expected length of the file.
func (x *fileExerciser) resize(size int) {
	old := len(x.content)
	x.content = x.content[:size]
	if size > old {
		clear(x.content[old:])
	}
}

// step does one random operation.
func (x *fileExerciser) step() {
	x.t.Helper()
	size := len(x.content)
	v := x.writer
	if x.r.IntN(3) == 0 {
		v = x.reader
	}
	memory := x.mapped && x.r.IntN(2) == 0
	switch n := x.r.IntN(100); {
	case n < 35 && memory && size > 0:
		off, n := x.span(size)
		x.readMemory(v, off, n)
	case n < 35:
		off, n := x.span(largest) // often it ends after the file does
		x.read(v, off, n)
	case n < 55 && memory && size > 0:
		off, n := x.span(size)
		x.note("write %d bytes at %d to memory", n, off)
		copy(x.content[off:], x.some(n))
		x.copyMemory(x.writer.memory[off:off+n], x.content[off:off+n])
	case n < 55 && size > 0:
		off, n := x.span(size)
		x.write(off, n)
	case n < 65: // the file grows, with a hole or without
		off := min(size, largest-1)
		if x.r.IntN(2) == 0 {
			off += x.r.IntN(largest - off)
		}
		x.write(off, 1+x.r.IntN(min(64<<10, largest-off)))
	case n < 75:
		to := x.r.IntN(largest + 1)
		if x.r.IntN(2) == 0 { // a little
			to = max(0, min(largest, size+x.r.IntN(10_000)-5000))
		}
		x.note("truncate %d bytes to %d", size, to)
		x.resize(to)
		if x.r.IntN(2) == 0 {
			x.do("ftruncate", x.writer.file.Truncate(int64(to)))
		} else {
			x.do("truncate", os.Truncate(x.name, int64(to)))
		}
	case n < 88 && len(x.calls) > 0:
		x.allocate(x.calls[x.r.IntN(len(x.calls))])
	case n < 90:
		x.note("sync")
		x.do("fsync", v.file.Sync())
	case n < 92:
		x.note("sync data")
		x.do("fdatasync", unix.Fdatasync(int(v.file.Fd())))
	case n < 94:
		x.note("forget what is cached")
		for _, v := range []*opening{x.reader, x.writer} {
			if v.memory != nil {
				x.do("madvise", unix.Madvise(v.memory, unix.MADV_DONTNEED)) // what is mapped would stay
			}
		}
		x.do("forget", forget(x.writer.file))
	case n < 96 && x.mapped:
		flags := []int{unix.MS_SYNC, unix.MS_ASYNC, unix.MS_SYNC | unix.MS_INVALIDATE}[x.r.IntN(3)]
		x.note("sync memory, flags %d", flags)
		x.do("msync", unix.Msync(v.memory, flags))
	default:
		x.reopen(v)
	}
}

// some returns n bytes to write.
func (x *fileExerciser) some(n int) []byte {
	from := x.r.IntN(len(x.noise) - n)
	return x.noise[from : from+n]
}

// read reads n bytes, or as many as there are.
func (x *fileExerciser) read(v *opening, off, n int) {
	x.t.Helper()
	x.note("read %d bytes at %d of %d", n, off, len(x.content))
	got := make([]byte, n)
	n, err := v.file.ReadAt(got, int64(off))
	if err == io.EOF {
		err = nil
	}
	x.do("read", err)
	off = min(off, len(x.content))
	x.compare("read", got[:n], off, min(len(got), len(x.content)-off))
}

// write writes n bytes, before the end of the file or after it.
func (x *fileExerciser) write(off, n int) {
	x.t.Helper()
	x.note("write %d bytes at %d of %d", n, off, len(x.content))
	x.resize(max(len(x.content), off+n))
	copy(x.content[off:], x.some(n))
	_, err := x.writer.file.WriteAt(x.content[off:off+n], int64(off))
	x.do("write", err)
}

// readMemory reads mapped memory. After the end of the file, up to that of the page, there are zeros.
func (x *fileExerciser) readMemory(v *opening, off, n int) {
	x.t.Helper()
	x.note("read %d bytes at %d of %d from memory", n, off, len(x.content))
	got := make([]byte, n)
	x.copyMemory(got, v.memory[off:])
	x.compare("memory", got, off, n)
	size := len(x.content)
	rest := make([]byte, -size&4095)
	x.copyMemory(rest, v.memory[size:])
	if i := slices.IndexFunc(rest, func(c byte) bool { return c != 0 }); i >= 0 {
		x.fail("memory: byte %d is %#02x, want 0, as the file ends at %d", size+i, rest[i], size)
	}
}

// copyMemory copies to mapped memory or from it. Errors are signals there.
func (x *fileExerciser) copyMemory(to, from []byte) {
	x.t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		x.t.Helper()
		if fault := recover(); fault != nil {
			x.fail("memory cannot be used: %v", fault)
		}
	}()
	copy(to, from)
}

// allocate calls fallocate.
func (x *fileExerciser) allocate(call int) {
	x.t.Helper()
	a := allocations[call]
	off, n := x.span(largest)
	size := len(x.content)
	x.note("%s: %d bytes at %d of %d", a.name, n, off, size)
	x.do(a.name, fallocate(x.writer.file, a.mode, off, n))
	if a.mode&unix.FALLOC_FL_KEEP_SIZE == 0 {
		x.resize(max(size, off+n))
	}
	if a.mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) != 0 {
		size = len(x.content)
		clear(x.content[min(off, size):min(off+n, size)])
	}
}

// reopen closes the file and opens it again. Its memory may stay mapped until then.
func (x *fileExerciser) reopen(v *opening) {
	x.t.Helper()
	flags := os.O_RDONLY
	if v == x.writer {
		flags = os.O_RDWR
		if x.r.IntN(8) == 0 {
			flags |= os.O_TRUNC
			x.resize(0)
		}
	}
	keep := x.r.IntN(2) == 0
	x.note("reopen, flags %#x, memory kept: %v", flags, keep)
	memory := v.memory
	x.do("close", v.file.Close())
	if memory != nil && !keep {
		v.memory = nil
		x.do("munmap", unix.Munmap(memory))
	}
	x.open(v, flags)
	if memory != nil && keep {
		x.do("munmap", unix.Munmap(memory))
	}
}
