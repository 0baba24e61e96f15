package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The two exercises, of one file and of a tree, know nothing of mounts: whatever keeps files can be put to them, and a
// plain directory is, as a check of the exercises.

// largest is the size in bytes up to which an exercise lets a file grow.
const largest = 256 << 10

// noise returns bytes to write, none of them zero, so that holes are told from what has been written.
func noise(seed uint64, n int) []byte {
	all := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range all {
		all[i] = byte(1 + r.IntN(255))
	}
	return all
}

// allocations are the ways to call fallocate.
var allocations = []struct {
	name string
	mode uint32
}{
	{"allocate", 0},
	{"allocate keeping the size", unix.FALLOC_FL_KEEP_SIZE},
	{"punch a hole", unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE},
	{"zero", unix.FALLOC_FL_ZERO_RANGE},
	{"zero keeping the size", unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE},
}

// fallocate calls fallocate again where the runtime's signals have interrupted it, as package os does for other calls.
func fallocate(f *os.File, mode uint32, off, n int) error {
	for {
		if err := unix.Fallocate(int(f.Fd()), mode, int64(off), int64(n)); err != unix.EINTR {
			return err
		}
	}
}

// forget makes the kernel forget what it has cached of a file, so that the file system is asked for it again.
func forget(f *os.File) error {
	return errors.Join(unix.Fdatasync(int(f.Fd())), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// fileExerciser does random operations with one file and keeps what the file must hold.
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
// and new opens, and, if mapped, reads and writes of its memory. Every read must find what has been written. The file
// may exist already, and then holds content. What it holds in the end is returned.
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
			v.file.Close() // what has been opened, whatever has failed
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

// probe finds out what the file system has of fallocate.
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

// note notes what is done next.
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

// compare compares what has been read at off with what the file must hold there: n bytes.
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
	x.fail("%s: byte %d is %#02x, want %#02x; %d of the %d bytes at %d differ", what, off+first, got[first], want[first], differ, n, off)
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

// resize sets the length of what the file must hold.
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

// copyMemory copies to mapped memory or from it. What an error is elsewhere is a signal there.
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

// reopen closes the file and opens it anew. What is mapped may stay so until the file is open again.
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

// treeOperation is something to do in a tree where others work at the same time.
type treeOperation struct {
	name   string
	weight int
	dirs   bool // it is about directories
	do     func(w *treeWorker, a string) error
	on     func(w *treeWorker, f *os.File) error // with an open file, whose name may be gone: that is no excuse
	fine   []syscall.Errno                       // what may come of it; for do, besides what may come of any name
}

// nameless is what may come of any name that others change, and of a full disk.
var nameless = []syscall.Errno{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENOSPC}

var treeOperations = []treeOperation{
	{name: "create", weight: 10, fine: []syscall.Errno{unix.EISDIR}, do: func(w *treeWorker, a string) error {
		return w.open(&w.files, a, os.O_CREATE|os.O_RDWR|[]int{0, os.O_TRUNC}[w.r.IntN(2)])
	}},
	{name: "create a new", weight: 6, fine: []syscall.Errno{unix.EEXIST}, do: func(w *treeWorker, a string) error {
		return w.open(&w.files, a, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	}},
	{name: "mkdir", weight: 10, dirs: true, fine: []syscall.Errno{unix.EEXIST}, do: func(_ *treeWorker, a string) error {
		return unix.Mkdir(a, 0o755)
	}},
	{name: "rename", weight: 8, fine: renameErrors, do: func(w *treeWorker, a string) error { return w.rename(a, w.path(false)) }},
	{name: "rename a directory", weight: 5, dirs: true, fine: renameErrors, do: func(w *treeWorker, a string) error {
		return w.rename(a, w.path(true))
	}},
	{name: "link", weight: 4, fine: []syscall.Errno{unix.EEXIST, unix.EPERM}, do: func(w *treeWorker, a string) error {
		return os.Link(a, w.path(false)) // EPERM: a is a directory
	}},
	{name: "symlink", weight: 5, fine: []syscall.Errno{unix.EEXIST}, do: func(w *treeWorker, a string) error {
		target := w.path(w.r.IntN(2) == 0)
		if w.r.IntN(2) == 0 { // from where the link is, and so never out of the tree
			target = strings.TrimPrefix(target, w.root+"/")
		}
		return os.Symlink(target, a)
	}},
	{name: "readlink", weight: 4, fine: []syscall.Errno{unix.EINVAL}, do: func(_ *treeWorker, a string) error {
		_, err := unix.Readlink(a, make([]byte, unix.PathMax))
		return err
	}},
	{name: "unlink", weight: 6, fine: []syscall.Errno{unix.EISDIR}, do: func(_ *treeWorker, a string) error {
		return unix.Unlink(a)
	}},
	{name: "rmdir", weight: 5, dirs: true, fine: []syscall.Errno{unix.ENOTEMPTY}, do: func(_ *treeWorker, a string) error {
		return unix.Rmdir(a)
	}},
	{name: "remove all", weight: 1, dirs: true, fine: []syscall.Errno{unix.ENOTEMPTY}, do: func(_ *treeWorker, a string) error {
		return os.RemoveAll(filepath.Join(a, "d0")) // one level down, so that much is left
	}},
	{name: "stat", weight: 5, do: func(w *treeWorker, a string) error {
		var st unix.Stat_t
		if w.r.IntN(2) == 0 {
			return unix.Lstat(a, &st)
		}
		return unix.Stat(a, &st)
	}},
	{name: "truncate", weight: 3, fine: []syscall.Errno{unix.EISDIR}, do: func(w *treeWorker, a string) error {
		return unix.Truncate(a, w.r.Int64N(largest/2))
	}},
	{name: "chmod", weight: 3, do: func(w *treeWorker, a string) error {
		return unix.Chmod(a, 0o700|w.r.Uint32N(0o100)) // never so that the walk may not read it
	}},
	{name: "utimes", weight: 3, do: func(w *treeWorker, a string) error {
		times := []unix.Timespec{{Sec: w.r.Int64N(1 << 31), Nsec: 1}, {Nsec: unix.UTIME_NOW}}
		return unix.UtimesNanoAt(unix.AT_FDCWD, a, times, unix.AT_SYMLINK_NOFOLLOW)
	}},
	{name: "setxattr", weight: 3, fine: []syscall.Errno{unix.ENOTSUP}, do: func(w *treeWorker, a string) error {
		return unix.Setxattr(a, w.attribute(), w.noise[:w.r.IntN(100)], 0)
	}},
	{name: "getxattr", weight: 2, fine: []syscall.Errno{unix.ENOTSUP, unix.ENODATA}, do: func(w *treeWorker, a string) error {
		_, err := unix.Getxattr(a, w.attribute(), make([]byte, 1000))
		return err
	}},
	{name: "listxattr", weight: 2, fine: []syscall.Errno{unix.ENOTSUP}, do: func(_ *treeWorker, a string) error {
		_, err := unix.Listxattr(a, make([]byte, 10_000))
		return err
	}},
	{name: "removexattr", weight: 1, fine: []syscall.Errno{unix.ENOTSUP, unix.ENODATA}, do: func(w *treeWorker, a string) error {
		return unix.Removexattr(a, w.attribute())
	}},
	{name: "write", weight: 5, on: func(w *treeWorker, f *os.File) error {
		off, err := f.Seek(0, io.SeekCurrent)
		if err == nil && off > largest/2 {
			off, err = f.Seek(0, io.SeekStart)
		}
		if err == nil {
			_, err = f.Write(w.noise[off:][:1+w.r.IntN(20_000)])
		}
		return err
	}},
	{name: "pwrite", weight: 5, on: func(w *treeWorker, f *os.File) error {
		off := w.r.IntN(largest / 2)
		_, err := f.WriteAt(w.noise[off:][:1+w.r.IntN(20_000)], int64(off))
		return err
	}},
	{name: "read", weight: 5, on: func(w *treeWorker, f *os.File) error {
		got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
		return errors.Join(err, w.checkBytes(got))
	}},
	{name: "ftruncate", weight: 2, on: func(w *treeWorker, f *os.File) error { return f.Truncate(w.r.Int64N(largest / 2)) }},
	{name: "fchmod", weight: 1, on: func(w *treeWorker, f *os.File) error { return f.Chmod(0o700) }},
	{name: "fsync", weight: 1, on: func(_ *treeWorker, f *os.File) error { return f.Sync() }},
	{name: "fallocate", weight: 3, fine: []syscall.Errno{unix.EOPNOTSUPP}, on: func(w *treeWorker, f *os.File) error {
		return fallocate(f, allocations[w.r.IntN(len(allocations))].mode, w.r.IntN(largest/2), 1+w.r.IntN(20_000))
	}},
	{name: "getdents", weight: 4, dirs: true, fine: []syscall.Errno{unix.ENOENT}, on: func(_ *treeWorker, f *os.File) error {
		_, err := f.Seek(0, io.SeekStart)
		if err == nil {
			_, err = f.Readdirnames(-1)
		}
		return err
	}},
	{name: "mkdirat", weight: 1, dirs: true, fine: []syscall.Errno{unix.ENOENT, unix.EEXIST}, on: func(_ *treeWorker, f *os.File) error {
		return unix.Mkdirat(int(f.Fd()), "d0", 0o755)
	}},
	{name: "chmod a directory", weight: 1, dirs: true, on: func(w *treeWorker, f *os.File) error { return f.Chmod(0o700) }},
	{name: "fsync a directory", weight: 1, dirs: true, on: func(_ *treeWorker, f *os.File) error { return f.Sync() }},
}

var renameErrors = []syscall.Errno{unix.EEXIST, unix.ENOTEMPTY, unix.EISDIR, unix.EINVAL} // EINVAL: into itself

// treeWorker is one of those who work in a tree.
type treeWorker struct {
	r     *rand.Rand
	root  string
	first map[string][]byte // what was there at first
	noise []byte            // what a file holds at a place is what this does, or zero, or what was there at first
	files []*os.File        // open files, the one opened last at the end
	dirs  []*os.File        // open directories
	done  []int             // how often each operation has succeeded
}

func (w *treeWorker) attribute() string { return fmt.Sprint("user.x", w.r.IntN(3)) }

// path picks a path: of a directory or of a file, though what is there may be the other, or nothing.
func (w *treeWorker) path(dirs bool) string {
	name := w.root
	dir := func() string { return fmt.Sprint("d", w.r.IntN(3)) }
	for range w.r.IntN(3) {
		name = filepath.Join(name, dir())
	}
	switch {
	case dirs != (w.r.IntN(8) == 0):
		return filepath.Join(name, dir())
	case len(w.first) > 0 && w.r.IntN(4) == 0:
		return filepath.Join(name, pick(w.r, w.first))
	}
	return filepath.Join(name, fmt.Sprint("f", w.r.IntN(6)))
}

// open opens a file or directory and holds it open until some more are.
func (w *treeWorker) open(held *[]*os.File, name string, flags int) error {
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return err
	}
	*held = append(*held, f)
	if len(*held) <= 4 {
		return nil
	}
	f, *held = (*held)[0], (*held)[1:]
	return f.Close()
}

func (w *treeWorker) rename(a, b string) error {
	flags := uint(0)
	if w.r.IntN(4) == 0 {
		flags = unix.RENAME_NOREPLACE
	}
	if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, flags); err != nil {
		return &os.LinkError{Op: "rename", Old: a, New: b, Err: err}
	}
	return nil
}

// checkBytes finds bytes in a file that nobody has written where they are.
func (w *treeWorker) checkBytes(got []byte) error {
next:
	for i, c := range got {
		if c == 0 || i < len(w.noise) && c == w.noise[i] {
			continue
		}
		for _, first := range w.first {
			if i < len(first) && first[i] == c {
				continue next
			}
		}
		return fmt.Errorf("byte %d of %d is %#02x, which nobody has written there", i, len(got), c)
	}
	return nil
}

// work does random operations until something fails.
func (w *treeWorker) work(operations int, stop *atomic.Bool) (err error) {
	defer func() {
		for _, f := range append(w.files, w.dirs...) {
			err = errors.Join(err, f.Close())
		}
	}()
	var lots []int // each operation as often as it has weight
	for i, op := range treeOperations {
		lots = append(lots, slices.Repeat([]int{i}, op.weight)...)
	}
	for n := 0; n < operations && !stop.Load(); n++ {
		i := lots[w.r.IntN(len(lots))]
		op := treeOperations[i]
		a := w.path(op.dirs)
		fine := append(slices.Clone(nameless), op.fine...)
		if op.do != nil {
			err = op.do(w, a)
		} else {
			held, flags := &w.files, os.O_RDWR
			if op.dirs {
				held, flags = &w.dirs, os.O_RDONLY|unix.O_DIRECTORY
			}
			if fine = append(fine, unix.EISDIR); len(*held) == 0 || w.r.IntN(2) == 0 {
				err = w.open(held, a, flags)
			}
			if err == nil {
				f := (*held)[w.r.IntN(len(*held))]
				a, fine = f.Name()+", as it was called when it was opened", append(slices.Clone(op.fine), unix.ENOSPC)
				err = op.on(w, f)
			}
		}
		var errno syscall.Errno
		switch {
		case err == nil:
			w.done[i]++
		case !errors.As(err, &errno) || !slices.Contains(fine, errno):
			return fmt.Errorf("operation %d: %s: %s: %w", n, op.name, a, err)
		}
		err = nil
	}
	return nil
}

// treeExercise lets workers do random operations in a directory, this many each. They get in each other's way, and so
// what they are told may vary, but only within reason; and what is there in the end makes sense, and can be removed.
// What is there at first takes part in it.
func treeExercise(t testing.TB, dir string, seed uint64, operations, workers int) {
	t.Helper()
	first := map[string][]byte{}
	for _, name := range names(t, dir) {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			first[name] = []byte(read(t, filepath.Join(dir, name)))
		}
	}
	var wg sync.WaitGroup
	var stop atomic.Bool
	all := make([]*treeWorker, workers)
	for n := range all {
		w := &treeWorker{
			r: rand.New(rand.NewPCG(seed, uint64(n))), root: dir, first: first, noise: noise(seed, largest), done: make([]int, len(treeOperations)),
		}
		all[n] = w
		wg.Go(func() {
			if err := w.work(operations, &stop); err != nil {
				stop.Store(true)
				t.Errorf("worker %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if stop.Load() {
		t.FailNow()
	}
	var never []string
	for i, op := range treeOperations {
		if !slices.ContainsFunc(all, func(w *treeWorker) bool { return w.done[i] > 0 }) {
			never = append(never, op.name)
		}
	}
	walked := walkTree(t, dir, all[0])
	if again := walkTree(t, dir, all[0]); again != walked {
		t.Errorf("%s, walked again: %s", dir, difference(again, walked))
	}
	t.Logf("%s: %d names in the end; what has never succeeded: %q", dir, strings.Count(walked, "\n"), never)
	for _, name := range names(t, dir) {
		check(t, os.RemoveAll(filepath.Join(dir, name)))
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("%s: all is removed, but there is %q", dir, left)
	}
}

// walkTree describes a directory in which w and others have worked, a line for a name, and checks that it makes sense.
func walkTree(t testing.TB, dir string, w *treeWorker) string {
	t.Helper()
	var b strings.Builder
	links := map[uint64]uint64{}  // the names found, by inode
	counts := map[uint64]uint64{} // the number that files say they have
	found := map[string]bool{}
	check(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return fmt.Errorf("%s is listed, but: %w", name, err)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if found[name] || info.Mode().Type() != e.Type() {
			return fmt.Errorf("%s is listed twice, or as %v and is %v", name, e.Type(), info.Mode())
		}
		found[name] = true
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			st.Size, st.Nlink = 0, 0
		case unix.S_IFREG:
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			err = forget(f)
			got, readErr := io.ReadAll(f)
			if int64(len(got)) != st.Size {
				err = errors.Join(err, fmt.Errorf("%d bytes, but stat says %d", len(got), st.Size))
			}
			if err = errors.Join(err, readErr, w.checkBytes(got)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			links[st.Ino]++
			counts[st.Ino] = st.Nlink
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err == nil && int64(len(target)) != st.Size {
				err = fmt.Errorf("%s leads to %q, but stat says %d bytes", name, target, st.Size)
			}
			if err != nil {
				return err
			}
			links[st.Ino]++
			counts[st.Ino] = st.Nlink
		default:
			return fmt.Errorf("%s is a %v", name, e.Type())
		}
		fmt.Fprintf(&b, "%s %o %d %d\n", name, st.Mode, st.Size, st.Nlink)
		return nil
	}))
	for ino, n := range links {
		if counts[ino] != n {
			t.Errorf("%s: inode %d says that it has %d names, and has %d", dir, ino, counts[ino], n)
		}
	}
	return b.String()
}

// What is read from a file is what has been written to it, in a plain directory, in a sample's directory, and where the
// file is a member of the shard, small or large; and there it is after mounting again.
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

// Many can work in a plain directory and in a sample's directory at once.
func TestTreeExercise(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		treeSeeds(t, func(t *testing.T, seed uint64, operations int) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "sample.jpg"), "at first")
			treeExercise(t, dir, seed, operations, 4)
		})
	})
	withChanges(t, func(t *testing.T, kind string) {
		treeSeeds(t, func(t *testing.T, seed uint64, operations int) {
			m := mountMembers(t, kind, samples(3)...)
			treeExercise(t, m.path("000000"), seed, operations, 4)
			m.restart()
			if left := names(t, m.path("000000")); len(left) > 0 {
				t.Errorf("mounted again, there is %q", left)
			}
			if log := m.logged(); len(log) > 0 {
				t.Errorf("the server has logged %q", log)
			}
		})
	})
}

// treeSeeds runs a test with random numbers of several seeds.
func treeSeeds(t *testing.T, test func(t *testing.T, seed uint64, operations int)) {
	seeds, operations := 1, 1000
	if *long {
		seeds, operations = 5, 8000
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { test(t, seed, operations) })
	}
}
