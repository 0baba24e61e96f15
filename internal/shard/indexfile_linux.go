package shard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// SidecarSuffix is appended to a shard's name for the name of its sidecar.
const SidecarSuffix = ".sfidx"

// ErrNotIndex means that the file named by Options.IndexFile is not an index file, so it is not replaced.
var ErrNotIndex = errors.New("not an index file, so it is not replaced")

// mapping is an index file mapped into memory.
type mapping struct {
	b    []byte // nil: no mapping
	name string // name of the file
}

func (m mapping) close() error {
	if m.b == nil {
		return nil
	}
	return unix.Munmap(m.b)
}

func (m mapping) drop() {
	if m.b != nil {
		unix.Madvise(m.b, unix.MADV_DONTNEED) // the pages stay in the page cache
	}
}

// loadBeside loads the sidecar, from the store of the shard. A local one must not be a symbolic link.
func (s *Shard) loadBeside(ctx context.Context) (found, error) {
	var l found
	if name := s.sidecar(); store.IsRemote(name) {
		b, err := s.fetched(ctx)
		if err != nil {
			return found{}, err
		}
		if l, err = s.fitting(ctx, b, mapping{name: store.Redact(name)}, true); err != nil {
			return found{}, err
		}
	} else {
		f, err := openIndex(name)
		if err != nil {
			return found{}, err
		}
		defer f.Close()
		if l, err = s.load(ctx, f, false, true); err != nil {
			return found{}, err
		}
	}
	var err error
	l.moved = true
	l.file.Origin, err = s.origin(ctx) // the origin of this copy of the shard
	return l, err
}

// readWhole reads an index file of at most that many bytes into memory. Its end is read and verified first, so that a
// large file of another kind is not read.
func readWhole(r io.ReaderAt, size, most int64) ([]byte, error) {
	if size > most {
		return nil, fmt.Errorf("%w: it has %d bytes", index.ErrStale, size)
	}
	if err := index.VerifyEnd(r, size); err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(r, 0, size), b)
	return b, err
}

// loadFile loads an index file that the user has named.
func (s *Shard) loadFile(ctx context.Context, name string) (found, error) {
	f, err := openIndex(name)
	if err != nil {
		return found{}, err
	}
	defer f.Close()
	if !wasIndex(f) {
		return found{}, fmt.Errorf("%s: %w", name, ErrNotIndex)
	}
	return s.load(ctx, f, isPrivate(name), false)
}

// wasIndex reports whether a file is empty or an index file of any version.
func wasIndex(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && (info.Size() == 0 || index.IsFile(f, info.Size()))
}

// openIndex opens an index file, which must be a regular file and not a symbolic link. Only this user and root may have
// been able to write it: an index decides which samples a shard has.
func openIndex(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := checkWriters(int(f.Fd()), os.Geteuid(), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", index.ErrStale, name, err), f.Close())
	}
	return f, nil
}

// isPrivate reports whether only this user has access to the directory of a file.
func isPrivate(name string) bool {
	var st unix.Stat_t
	return unix.Lstat(filepath.Dir(name), &st) == nil && int(st.Uid) == os.Geteuid() && st.Mode&0o077 == 0
}

// load loads an index file if it was made from these bytes, or from others that they may be a copy of, and, unless the
// shard may be cut, from all of them. A private file is mapped. Any other file is read into memory, because a process
// that truncated a mapped file would kill this process.
func (s *Shard) load(ctx context.Context, f *os.File, private, copied bool) (found, error) {
	info, err := f.Stat()
	if err != nil {
		return found{}, err
	}
	if info.Size() == 0 || info.Size() > maxIndex {
		return found{}, fmt.Errorf("%w: %s has %d bytes", index.ErrStale, f.Name(), info.Size())
	}
	var b []byte
	m := mapping{name: f.Name()}
	if private {
		m.b, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
		b = m.b
	} else {
		b, err = readWhole(f, info.Size(), max(maxInMemory, s.object.Size()))
	}
	if err != nil {
		return found{}, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return s.fitting(ctx, b, m, copied)
}

// fitting returns the index file in b, which may be mapped as m, if it was made from this shard; if copied is set, also
// from one that this is a copy of.
func (s *Shard) fitting(ctx context.Context, b []byte, m mapping, copied bool) (found, error) {
	file, err := s.decode(b)
	var fits bool
	var format codec.Format
	if err == nil {
		fits, err = s.made(ctx, file, copied)
	}
	if err == nil {
		format, err = codec.DetectAt(store.At(ctx, s.object))
	}
	switch {
	case err != nil:
	case !fits || file.Format != format:
		err = fmt.Errorf("%w: made of another shard, or of one that has changed since", index.ErrStale)
	case file.Cut != "" && !s.o.AllowTruncated:
		err = fmt.Errorf("%w: made of a part of the shard", index.ErrStale)
	default:
		err = s.covers(ctx, file)
	}
	if err != nil {
		s.likely = false
		return found{}, errors.Join(fmt.Errorf("%s: %w", m.name, err), m.close())
	}
	return found{file: file, mapped: m}, nil
}

// covers returns an error unless an index covers the shard. Where reading the end would decompress more than one stretch
// of the shard, packing reads it.
func (s *Shard) covers(ctx context.Context, f *index.File) error {
	if s.likely {
		return s.begins(ctx, f)
	}
	if f.Format == codec.Plain {
		return f.Index.Covers(store.At(ctx, s.object), f.Cut == "")
	}
	if f.Cut != "" || mustSpool(f) {
		return f.Index.Covers(nil, false)
	}
	r := codec.NewReaderAt(f.Format, s.object, s.object.Size(), f.Map, codec.ReaderAtOptions{Cache: codec.NewCache(1)})
	return errors.Join(f.Index.Covers(store.At(ctx, r), true), r.Close())
}

// decode decodes the index file in b. If its columns turn out to be damaged later, they are rebuilt by a scan.
func (s *Shard) decode(b []byte) (file *index.File, err error) {
	file, err = index.Decode(b, func() (*index.File, error) { return s.rebuild(file.Index) })
	return file, err
}

// largeIndex is the number of members, about 40 MB of index, from which an index is mapped from the cache instead of
// held in memory.
const largeIndex = 1 << 20

// maxIndex is the size of the largest index file that is opened, enough for two billion members.
const maxIndex = 16 << 30

// maxInMemory is the size of the largest index file that is read into memory, unless the shard itself is larger.
const maxInMemory = 64 << 20

// loadEmbedded is the place inside a compressed shard, where package codec writes an index beside the shard's table of
// checkpoints. The index is verified as a whole before it is used.
func (s *Shard) loadEmbedded(ctx context.Context) (found, error) {
	f, extra := s.readMap(ctx)
	if extra == nil {
		return found{}, nil
	}
	embedded, err := s.decode(extra)
	if err == nil && (embedded.Map.Plain != f.Map.Plain || embedded.Cut != "") {
		err = fmt.Errorf("%w: made of another shard", index.ErrStale)
	}
	if err == nil {
		err = embedded.Verify()
	}
	if err == nil {
		f.Index = embedded.Index
		err = s.covers(ctx, f)
	}
	if err != nil {
		s.o.Detail("%s: the index in the shard: %v", s.Name, err)
		return found{}, nil
	}
	s.o.Detail("%s: index from the shard itself", s.Name)
	return found{file: f, moved: true}, nil
}

// adopt uses the index from Options.Known, of a compressed shard that this program has just written.
func (s *Shard) adopt(ctx context.Context) (found, error) {
	f, _ := s.readMap(ctx)
	if f == nil {
		return found{}, nil
	}
	f.Index = s.o.Known
	return found{file: f}, nil
}

// readMap returns the table of checkpoints in a compressed shard, and the extra data that this program has written
// beside it; nil if there is none.
func (s *Shard) readMap(ctx context.Context) (f *index.File, extra []byte) {
	format, err := codec.DetectAt(store.At(ctx, s.object))
	if err != nil {
		return nil, nil
	}
	f = &index.File{Format: format}
	var ok bool
	if f.Map, extra, ok = codec.ReadMap(f.Format, store.At(ctx, s.object), s.object.Size()); !ok {
		return nil, nil
	}
	f.Origin, err = s.origin(ctx)
	if err != nil {
		return nil, nil
	}
	return f, extra
}

// rebuild builds the index again to replace an index from a file that has turned out to be damaged. It also replaces
// the file that the user named, or the entry in the cache.
func (s *Shard) rebuild(x *index.Index) (*index.File, error) {
	s.o.Detail("%s: the index file is damaged, the shard is indexed again", s.Name)
	f, err := s.build(s.ctx)
	if err != nil {
		return nil, err
	}
	if f.Index.Rows() != x.Rows() || f.Index.Samples() != x.Samples() || f.Index.Dirs() != x.Dirs() {
		return nil, errors.New("it is of another shard")
	}
	switch {
	case s.o.IndexFile != "":
		if err := saveTo(s.ctx, s.o.Store, f, s.o.IndexFile); err != nil {
			s.o.Detail("%s: %v", s.Name, err)
		}
	case s.o.CacheDir != "":
		if c, err := openCache(s.o.CacheDir, s.o.Shared); err == nil {
			s.keep(c, f)
			c.Close()
		}
	}
	return f, nil
}

// CanKeep reports whether index files can be cached in a directory.
func CanKeep(dir string) bool {
	if dir == "" {
		return false
	}
	c, err := openCache(dir, newShared())
	return err == nil && c.Close() == nil
}

// Forget removes an index that has turned out to be false: the shard's entry in the cache, or the index file that the
// user named. If the false index is beside or in the shard, Forget instead writes a new index to the cache, which takes
// precedence; if it is of another tool, the shard will be scanned when it is opened next.
func (s *Shard) Forget() {
	if err := s.forget(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.o.Detail("%s: its false index will be used again: %v", s.Name, err)
	}
}

func (s *Shard) forget() error {
	switch {
	case s.o.IndexFile != "":
		return os.Remove(s.o.IndexFile)
	case s.o.CacheDir == "", s.likely: // nothing is kept of it
		return nil
	}
	c, err := openCache(s.o.CacheDir, s.o.Shared)
	if err != nil {
		return err
	}
	defer c.Close()
	switch {
	case s.Foreign != "":
		return s.distrust(c)
	case !s.moved:
		return c.Remove(s.path)
	}
	f, err := s.build(s.ctx)
	if err == nil {
		s.keep(c, f)
	}
	return err
}

// keep writes an index to the cache. An error is only a detail, because the shard works without.
func (s *Shard) keep(c *indexCache, f *index.File) {
	e, err := c.Create(s.path)
	if err == nil {
		if err = write(f, e); err == nil {
			err = e.Commit()
		} else {
			e.Abort()
		}
	}
	if err != nil {
		s.o.Detail("%s: the index is not kept: %v", s.Name, err)
	}
}

// Save writes the shard's index to a file. It fits copies of the shard, too.
func (s *Shard) Save(ctx context.Context, name string) (err error) {
	f := *s.file
	if f.Origin, err = s.probed(ctx, f.Origin); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return saveTo(ctx, s.o.Store, &f, name)
}

func saveTo(ctx context.Context, st store.Store, f *index.File, name string) error {
	if f == nil {
		return nil
	}
	out, err := st.Create(ctx, name, store.Options{Replace: true, Guarded: true})
	if err == nil {
		if err = write(f, out); err == nil {
			err = out.Commit(ctx)
		} else {
			out.Abort()
		}
	}
	if err != nil {
		return fmt.Errorf("write index: %s: %w", store.Redact(name), err)
	}
	return nil
}

func write(f *index.File, w io.Writer) error {
	if f.Index.IsProvisional() {
		return fmt.Errorf("%w: of another tool", index.ErrStale)
	}
	buffered := bufio.NewWriterSize(w, 1<<18)
	if err := f.Write(buffered); err != nil {
		return err
	}
	return buffered.Flush()
}
