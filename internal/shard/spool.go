package shard

import (
	"context"
	"io"
	"os"
	"sync"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// spool reads a shard that cannot be decompressed from the middle. Its file is created at the first read, so a listing
// needs none.
type spool struct {
	s    *Shard
	once sync.Once
	file *os.File
	all  *codec.Spool
	err  error
}

// ReadAt implements [store.ReaderAt].
func (p *spool) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	p.once.Do(func() { p.err = p.open() })
	if p.err != nil {
		return 0, p.err
	}
	return p.all.ReadAt(ctx, b, off)
}

func (p *spool) open() error {
	var err error
	if p.file, err = atomicfile.Unnamed(p.s.o.SpoolDir); err != nil {
		return err
	}
	stored := io.NewSectionReader(store.At(p.s.ctx, p.s.object), 0, p.s.object.Size())
	plain, err := codec.NewReader(p.s.Format, stored, codec.Options{})
	if err == nil {
		p.all, err = codec.NewSpool(plain, p.file)
	}
	return err
}

func (p *spool) close() error {
	var err error
	if p.all != nil {
		err = p.all.Close()
	}
	if p.file != nil {
		p.file.Close()
	}
	return err
}
