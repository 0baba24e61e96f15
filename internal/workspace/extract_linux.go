package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/ramdisk"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/pack"
)

// extractor copies samples of shards into real directories. It is safe for concurrent use.
type extractor struct {
	dir     string
	opened  *os.File
	buffers sync.Pool // of *[bufferSize]byte

	memory   *ramdisk.Disk
	above    string     // a directory in memory, with that of inMemory; "": there is none
	inMemory *extractor // to memory; nil: not available
}

// bufferSize is how many bytes of a file are read and written at once.
const bufferSize = 1 << 20

// newExtractor returns an extractor in a new directory in dir, which stays empty once all samples are removed. The caller
// closes it.
func newExtractor(dir string) (*extractor, error) {
	e := &extractor{dir: filepath.Join(dir, "samples")}
	e.buffers.New = func() any { return new([bufferSize]byte) }
	if err := os.Mkdir(e.dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	e.opened, err = os.Open(e.dir)
	return e, err
}

// useMemory makes e.inMemory. Nothing has changed if there is an error.
func (e *extractor) useMemory(disk *ramdisk.Disk) (err error) {
	if !disk.Room(0) {
		return nil
	}
	above, err := os.MkdirTemp(disk.Dir, "")
	if err != nil {
		return err
	}
	inMemory, err := newExtractor(above)
	if err != nil {
		return errors.Join(err, os.RemoveAll(above))
	}
	e.memory, e.above, e.inMemory = disk, above, inMemory
	return nil
}

// Close removes what it has made in memory. All samples have been removed.
func (e *extractor) Close() error {
	err := e.opened.Close()
	if e.inMemory != nil {
		err = errors.Join(err, e.inMemory.Close(), scratch.RemoveAll(e.above))
	}
	return err
}

// extract copies one sample of a shard. Source is the content of __source__.
func (e *extractor) extract(b pack.Base, source string, sample index.Sample) (*sampleDir, error) {
	name := strconv.Itoa(sample.Number)
	root := filepath.Join(e.dir, name)
	d := &sampleDir{
		dir: filepath.Join(root, filepath.FromSlash(sample.Path)), root: root, base: b, sample: sample,
		above: int(e.opened.Fd()), name: name, fd: none,
	}
	buf := e.buffers.Get().(*[bufferSize]byte)
	defer e.buffers.Put(buf)
	if err := d.fill(source, buf[:]); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

// fill makes the directory and the files in it.
func (d *sampleDir) fill(source string, buf []byte) error {
	if err := d.make(); err != nil {
		return err
	}
	x := d.base.Index
	d.files = make([]written, 0, d.sample.End-d.sample.Start+2)
	mtime := x.ModTime(d.sample.Start)
	for _, f := range []struct{ name, text string }{{index.KeyFile, d.sample.Key}, {index.SourceFile, source}} {
		err := d.write(f.name, pack.Changed, mtime, func(to file) error {
			_, err := to.WriteAt([]byte(f.text), 0)
			return err
		})
		if err != nil {
			return err
		}
	}
	for row := d.sample.Start; row < d.sample.End; row++ {
		if !x.InSample(row) {
			continue
		}
		content, err := x.Open(row, d.base.Plain)
		if err != nil {
			return err
		}
		err = d.write(x.FileName(row), row, x.ModTime(row), func(to file) error {
			data := func(off int64) (index.Extent, bool) { return x.Data(row, off) }
			return pack.CopyData(to, content, content.Size(), data, buf)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// make makes the directory and opens it, one component after the other: its path may be longer than a system call
// accepts.
func (d *sampleDir) make() error {
	at := d.above
	for name := range strings.SplitSeq(d.name+"/"+d.sample.Path, "/") {
		err := uninterrupted(func() error { return unix.Mkdirat(at, name, 0o755) })
		fd := none
		if err == nil {
			fd, err = openAt(at, name, unix.O_RDONLY|unix.O_DIRECTORY)
		}
		if at != d.above {
			unix.Close(at)
		}
		if err != nil {
			return &os.PathError{Op: "mkdir", Path: d.dir, Err: err}
		}
		at = fd
	}
	d.fd = at
	return nil
}

// openAt opens a file in a directory, but no link.
func openAt(dir int, name string, flags int) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		return err
	})
	return fd, err
}

// uninterrupted calls f until it is not interrupted by a signal, as file systems in user space and on networks are.
func uninterrupted(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// write makes a file in the directory, whose content fill writes.
func (d *sampleDir) write(name string, row int, mtime time.Time, fill func(to file) error) error {
	fd, err := openAt(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	id, err := finish(file(fd), mtime, fill)
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.files = append(d.files, written{name, row, id})
	return nil
}

// finish writes a new file and sets its time.
func finish(f file, mtime time.Time, fill func(to file) error) (identity, error) {
	if err := fill(f); err != nil {
		return identity{}, err
	}
	ts, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return identity{}, err
	}
	if err := unix.UtimesNanoAt(int(f), "", []unix.Timespec{ts, ts}, unix.AT_EMPTY_PATH); err != nil {
		return identity{}, err
	}
	var st unix.Stat_t
	err = unix.Fstat(int(f), &st)
	return identityOf(&st), err
}

// file is an open file, by its descriptor.
type file int

// WriteAt implements [io.WriterAt].
func (f file) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		err = uninterrupted(func() error {
			m, err := unix.Pwrite(int(f), p[n:], off+int64(n))
			n += max(m, 0)
			return err
		})
	}
	return n, err
}

// Truncate changes the size of the file.
func (f file) Truncate(size int64) error { return unix.Ftruncate(int(f), size) }
