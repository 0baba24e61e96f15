package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// The measures of the filesystem do the same work in a mount and in the same files extracted, on the same disk. A mount is
// made anew for each round, so what is done in it first finds nothing in the kernel's caches but the shard itself; what is
// done again finds all that the kernel kept. The extracted files are always in the page cache.

// photosExtracted draws the shard behind most of the measures, 1 GB, and gives the place where its files lie extracted.
func (b *bench) photosExtracted(ctx context.Context) (shard, place, error) {
	s := photos(10_000)
	if _, err := b.draw(ctx, s); err != nil {
		return shard{}, place{}, err
	}
	root, err := b.extract(ctx, s)
	return s, directory(root), err
}

// A place is where the files of a shard can be reached.
type place struct {
	root  string // a directory
	made  string // how, as the report prints it; empty if it is there anyway
	enter func(context.Context) (leave func() error, err error)
}

// A task is work on the files below a directory. It says how many seconds it took.
type task struct {
	what string // as the report prints it, before the directory
	run  func(ctx context.Context, root string) (float64, error)
}

// do gives a side for each task. They are done in one visit to the place, one after the other, when the first side runs;
// the others have their seconds from that and are not for interleave.
func (p place) do(tasks ...task) []*side {
	sides := make([]*side, len(tasks))
	command := p.made
	for i, t := range tasks {
		command += "\n" + t.what + " " + p.root
		sides[i] = &side{command: command}
	}
	sides[0].run = func(ctx context.Context) (first float64, err error) {
		leave, err := p.enter(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, leave()) }()
		for i, t := range tasks {
			took, err := t.run(ctx, p.root)
			if err != nil {
				return 0, err
			}
			if i == 0 {
				first = took
			} else {
				sides[i].took = append(sides[i].took, took)
			}
		}
		return first, nil
	}
	return sides
}

// directory is a place that is there anyway.
func directory(root string) place {
	stay := func() error { return nil }
	return place{root: root, enter: func(context.Context) (func() error, error) { return stay, nil }}
}

// mounted is a place that is mounted for each visit. When a visit ends, the last sample is compared with what was drawn, and
// what the server has in memory is noted in mem unless that is nil.
func (b *bench) mounted(s shard, mem *[]memory, flags ...string) place {
	name := b.path(s.name)
	return place{
		root: b.path("mnt"),
		made: quote(b.mounting(name, flags...)),
		enter: func(ctx context.Context) (func() error, error) {
			m, err := b.mount(ctx, name, flags...)
			if err != nil {
				return nil, err
			}
			return func() error {
				weight, err := m.memory()
				if mem != nil {
					*mem = append(*mem, weight)
				}
				return errors.Join(err, s.sameText(m.dir, s.samples-1), m.close())
			}, nil
		},
	}
}

// archivemounted is a place where archivemount shows the files of a shard; there is none if that is not installed. Its files
// have their members' names.
func (b *bench) archivemounted(s shard) (p place, ok bool) {
	if _, err := exec.LookPath("archivemount"); err != nil {
		note("without archivemount as a peer: %v", err)
		return place{}, false
	}
	m := &mount{dir: b.path("mnt")}
	argv := []string{"archivemount", "-o", "readonly", b.path(s.name), m.dir}
	leave := func() error {
		out, err := exec.Command("fusermount", "-u", m.dir).CombinedOutput()
		if err != nil {
			m.detach()
			return fmt.Errorf("fusermount -u %s: %w\n%s", m.dir, err, bytes.TrimSpace(out))
		}
		return nil
	}
	enter := func(ctx context.Context) (func() error, error) {
		m.detach()
		_, _, err := execute(ctx, "", argv...)
		return leave, err
	}
	return place{root: m.dir, made: quote(argv), enter: enter}, true
}

// once runs the sides for one round. It is for what takes long.
func (b *bench) once(ctx context.Context, name string, sides ...*side) error {
	one := *b
	one.rounds = 1
	return one.interleave(ctx, name, sides...)
}

// A layout says what a file is called below the directory that shows its shard.
type layout func(key, ext string) string

func asSample(key, ext string) string { return filepath.Join(key, "sample."+ext) }
func asMember(key, ext string) string { return key + "." + ext }

// files are some of a shard's, in the order of the tar.
type files struct {
	names []string // below the directory that shows the shard
	sizes []int64
}

// files are those with one of the extensions, of one sample in every so many.
func (s shard) files(every int, called layout, exts ...string) files {
	wanted := make(map[string]bool)
	for _, ext := range exts {
		wanted[ext] = true
	}
	var f files
	for i := 0; i < s.samples; i += every {
		for _, m := range s.members(i) {
			if wanted[m.ext] {
				f.names = append(f.names, called(fmt.Sprintf("%06d", i), m.ext))
				f.sizes = append(f.sizes, m.size())
			}
		}
	}
	return f
}

// first are the files of the first samples.
func (f files) first(n int) files { return files{f.names[:n], f.sizes[:n]} }

// below returns the files' names in a directory.
func (f files) below(root string) []string {
	names := make([]string, len(f.names))
	for i, name := range f.names {
		names[i] = root + "/" + name
	}
	return names
}

// size is that of all files together.
func (f files) size() int64 {
	var n int64
	for _, size := range f.sizes {
		n += size
	}
	return n
}

// megabytes is the work of reading all files.
func (f files) megabytes() work { return work{float64(f.size()) / 1e6, "MB"} }

// share lets workers call work for each number below count, in turn. Each worker has its own thread and buffer. It returns
// the seconds that took and the sum of what work returned.
func share(ctx context.Context, workers, count int, work func(i int, buf []byte) (int, error)) (seconds float64, sum int, err error) {
	sums, errs := make([]int, workers), make([]error, workers)
	bufs := make([][]byte, workers)
	for w := range bufs {
		bufs[w] = bytes.Repeat([]byte{1}, bufferSize) // written to, so that its pages are there
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

// bufferSize is more than any file that is read has.
const bufferSize = 256 << 10

// An answer is what a task found in a place. The first place says what is right, and all others must agree.
type answer struct {
	known bool
	sum   int
}

func (a *answer) check(root string, sum int) error {
	if !a.known {
		*a = answer{true, sum}
	}
	if a.sum != sum {
		return fmt.Errorf("%s: other bytes than elsewhere", root)
	}
	return nil
}

// openFile opens a file. It and its kin are system calls, not package os, which asks each file whether it can be polled: a
// question more for a server than for a disk.
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

// again makes a call until no signal interrupts it, as calls that wait for a server are.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}
