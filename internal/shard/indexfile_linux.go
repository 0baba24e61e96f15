package shard

import (
	"bufio"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/store"
)

// mapping is an index file mapped into memory.
type mapping []byte

func (m mapping) close() error {
	if m == nil {
		return nil
	}
	return unix.Munmap(m)
}

// load maps an index file and checks that it was made of these bytes, and of all of them unless truncated.
func load(name string, origin index.Origin, truncated bool) (*index.Saved, mapping, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, nil, fmt.Errorf("%w: %s", index.ErrStale, name)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	file, err := index.Decode(m)
	if err == nil && file.Origin != origin {
		err = fmt.Errorf("%w: made of another shard, or of one that has changed since", index.ErrStale)
	}
	if err == nil && file.Cut != "" && !truncated {
		err = fmt.Errorf("%w: made of a part of the shard", index.ErrStale)
	}
	if err != nil {
		unix.Munmap(m)
		return nil, nil, err
	}
	return file, m, nil
}

// Save writes the shard's index to a file, for Options.IndexFile.
func (s *Shard) Save(name string) error {
	out, err := store.Create(name, true)
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	w := bufio.NewWriterSize(out, 1<<20)
	err = s.Saved.Write(w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		out.Abort()
		return fmt.Errorf("write index: %w", err)
	}
	if err := out.Commit(); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}
