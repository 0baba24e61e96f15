package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// The measures of the filesystem do the same work in a mount and in the same files extracted, on the same disk. Each
// round makes a new mount, so in a first pass only the shard itself is in the kernel's caches, and in a second pass
// everything that the kernel has cached since. The extracted files are always in the page cache.

// photosExtracted draws the shard for most of the measures, 1 GB, and returns the directory with its files extracted.
func (b *bench) photosExtracted(ctx context.Context) (drawn, place, error) {
	s := photos(10_000)
	if _, err := b.draw(ctx, s); err != nil {
		return drawn{}, place{}, err
	}
	root, err := b.extract(ctx, s)
	return s, directory(root), err
}

// A place is a directory with the files of a shard.
type place struct {
	root    string // a directory
	made    string // how it is made, for the report; empty if it exists already
	program bool   // the shardfs binary makes it
	enter   func(context.Context) (leave func() (memory, error), err error)
}

// A task is work on the files below a directory. It returns how many seconds it took.
type task struct {
	what string // as the report prints it, before the directory
	run  func(ctx context.Context, root string) (float64, error)
}

// A step is a task whose time is a figure.
type step struct {
	figure *figure
	task   task
}

// visit returns a trial of some tasks, which run one after the other in one visit to the place.
func (p place) visit(steps ...step) *trial { return p.weighed(nil, steps...) }

// weighed is visit with one more figure, if it is not nil: the peak resident bytes of the place's server.
func (p place) weighed(peak *figure, steps ...step) *trial {
	t := &trial{command: p.made, program: p.program}
	for _, s := range steps {
		t.command += "\n" + s.task.what + " " + p.root
		t.figures = append(t.figures, s.figure)
	}
	if peak != nil {
		t.figures = append(t.figures, peak)
	}
	t.run = func(ctx context.Context) (values []float64, err error) {
		leave, err := p.enter(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range steps {
			took, taskErr := s.task.run(ctx, p.root)
			if taskErr != nil {
				_, err := leave()
				return nil, errors.Join(taskErr, err)
			}
			values = append(values, took)
		}
		weight, err := leave()
		if peak != nil {
			values = append(values, weight.peak)
		}
		return values, err
	}
	return t
}

// directory returns a place that exists already.
func directory(root string) place {
	stay := func() (memory, error) { return memory{}, nil }
	return place{root: root, enter: func(context.Context) (func() (memory, error), error) { return stay, nil }}
}

// mounted returns a place that is mounted for each visit. At the end of a visit, the last sample is compared with what
// was drawn.
func (b *bench) mounted(s drawn, flags ...string) place {
	return b.mountedFrom(b.shared(s.name), s, flags...)
}

// served is mounted, with a process that has the shard open for writing: so the kernel does not read it itself.
func (b *bench) served(s drawn, flags ...string) place {
	p := b.mounted(s, flags...)
	enter := p.enter
	p.enter = func(ctx context.Context) (func() (memory, error), error) {
		writer, err := os.OpenFile(b.shared(s.name), os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		leave, err := enter(ctx)
		if err != nil {
			return nil, errors.Join(err, writer.Close())
		}
		return func() (memory, error) {
			weight, err := leave()
			return weight, errors.Join(err, writer.Close())
		}, nil
	}
	return p
}

// mountedFrom is mounted for a shard that is at another name, compressed or remote.
func (b *bench) mountedFrom(name string, s drawn, flags ...string) place {
	return place{
		root:    b.path("mnt"),
		made:    quote(b.mounting(name, flags...)),
		program: true,
		enter: func(ctx context.Context) (func() (memory, error), error) {
			m, err := b.mount(ctx, name, flags...)
			if err != nil {
				return nil, err
			}
			return func() (memory, error) {
				weight, err := m.memory()
				return weight, errors.Join(err, s.sameText(m.dir, s.samples-1), m.close())
			}, nil
		},
	}
}

// archivemounted returns a place where archivemount shows the files of a shard under their members' names; ok is false
// if it is not installed.
func (b *bench) archivemounted(s drawn) (p place, ok bool) {
	if _, err := exec.LookPath("archivemount"); err != nil {
		note("without archivemount as a peer: %v", err)
		return place{}, false
	}
	m := &mount{dir: b.path("archivemnt")}
	argv := []string{"archivemount", "-o", "readonly", b.shared(s.name), m.dir}
	leave := func() (memory, error) {
		out, err := exec.Command("fusermount", "-u", m.dir).CombinedOutput()
		if err != nil {
			m.detach()
			return memory{}, fmt.Errorf("fusermount -u %s: %w\n%s", m.dir, err, bytes.TrimSpace(out))
		}
		return memory{}, nil
	}
	enter := func(ctx context.Context) (func() (memory, error), error) {
		m.detach()
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return nil, err
		}
		_, _, err := execute(ctx, "", argv...)
		return leave, err
	}
	return place{root: m.dir, made: quote(argv), enter: enter}, true
}

// A layout returns the name of a member's file below the directory that shows its shard.
type layout func(key, ext string) string

func asSample(key, ext string) string { return filepath.Join(key, "sample."+ext) }
func asMember(key, ext string) string { return key + "." + ext }

// files are some of a shard's files, in the order of the tar.
type files struct {
	names []string // below the directory that shows the shard
	sizes []int64
}

// files returns the files with one of the extensions, of every n-th sample.
func (s drawn) files(n int, called layout, exts ...string) files {
	wanted := make(map[string]bool)
	for _, ext := range exts {
		wanted[ext] = true
	}
	var f files
	for i := 0; i < s.samples; i += n {
		for _, m := range s.members(i) {
			if wanted[m.ext] {
				f.names = append(f.names, called(fmt.Sprintf("%06d", i), m.ext))
				f.sizes = append(f.sizes, m.size())
			}
		}
	}
	return f
}

// first returns the first n files.
func (f files) first(n int) files { return files{f.names[:n], f.sizes[:n]} }

// below returns the files' names in a directory.
func (f files) below(root string) []string {
	names := make([]string, len(f.names))
	for i, name := range f.names {
		names[i] = root + "/" + name
	}
	return names
}

// size returns the size of all files together.
func (f files) size() int64 {
	var n int64
	for _, size := range f.sizes {
		n += size
	}
	return n
}

// megabytes returns the work of reading all files.
func (f files) megabytes() work { return work{float64(f.size()) / 1e6, "MB"} }

// share has workers call work for each number below count, in turn. Each worker has its own thread and buffer. It
// returns the seconds taken and the sum of the results.
func share(
	ctx context.Context, workers, count int, work func(i int, buf []byte) (int, error),
) (seconds float64, sum int, err error) {
	sums, errs := make([]int, workers), make([]error, workers)
	bufs := make([][]byte, workers)
	for w := range bufs {
		bufs[w] = bytes.Repeat([]byte{1}, bufferSize) // written to, so that its pages are allocated
	}
	var all sync.WaitGroup
	start := time.Now()
	for w := range workers {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			sum := 0
			for i := w; i < count; i += workers {
				n, err := work(i, bufs[w])
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					errs[w] = err
					return
				}
				sum += n
			}
			sums[w] = sum
		})
	}
	all.Wait()
	seconds = time.Since(start).Seconds()
	for _, n := range sums {
		sum += n
	}
	return seconds, sum, errors.Join(errs...)
}

// bufferSize is larger than any file that is read.
const bufferSize = 256 << 10

// An answer is the result of a task in a place. The result in the first place counts as right, and all others must
// agree.
type answer struct {
	known bool
	sum   int
}

func (a *answer) check(root string, sum int) error {
	if !a.known {
		*a = answer{true, sum}
	}
	if a.sum != sum {
		return fmt.Errorf("%s: the bytes differ from those in the first place", root)
	}
	return nil
}

// openFile opens a file. Like the functions below it uses system calls and not package os, which checks whether each
// file can be polled: that is one more request to the server of a mount.
func openFile(name string, flags int) (fd int, err error) {
	fd, err = again(func() (int, error) { return syscall.Open(name, flags|syscall.O_CLOEXEC, 0o644) })
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", name, err)
	}
	return fd, nil
}

// readFile reads a file, which is shorter than buf, with one read.
func readFile(name string, buf []byte) (n int, err error) {
	fd, err := openFile(name, syscall.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	n, err = again(func() (int, error) { return syscall.Read(fd, buf) })
	if err == nil && n == len(buf) {
		err = errors.New("longer than the buffer")
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	return n, nil
}

// again repeats a call while a signal interrupts it, which can happen while it waits for a server.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}
