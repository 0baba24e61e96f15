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

// spool reads a shard that cannot be decompressed from the middle. It is filled by the scan of a growing shard, so that each
// byte is fetched and decoded once; else its file is created at the first read, so a listing needs none.
type spool struct {
	s    *Shard
	kept *keptPlain // where the bytes are kept between processes; may be nil
	once sync.Once
	file *os.File
	all  *codec.Spool
	err  error
}

// ReadAt implements [store.ReaderAt].
func (p *spool) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	if n, err, ok := p.kept.readAt(b, off); ok {
		return n, err
	}
	p.once.Do(func() { p.err = p.open(nil) })
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.all.ReadAt(ctx, b, off)
	if p.kept != nil && err == nil && off+int64(n) > p.s.Plain()-nearEnd {
		_, _ = p.all.ReadAt(ctx, make([]byte, 1), p.s.Plain()) // what is wrong there is for its own readers
	}
	return n, err
}

// nearEnd is how far from the end of the plain bytes a read has all others decoded, too, so that they can be kept: those who
// read all members do not read the end of the tar.
const nearEnd = 1 << 20

// open opens the file. A nil scan means that nobody fills it.
func (p *spool) open(scan *Scan) error {
	var err error
	if p.file, err = atomicfile.Unnamed(p.s.o.SpoolDir); err != nil {
		return err
	}
	var plain io.Reader
	if scan == nil {
		stored := io.NewSectionReader(store.At(p.s.ctx, p.s.object), 0, p.s.object.Size())
		if plain, err = newReader(p.s.Format, stored, codec.Options{}); err != nil {
			return err
		}
		plain = p.kept.tee(plain, p.isWhole)
	}
	if p.all, err = codec.NewSpool(plain, p.file); err == nil && scan != nil {
		scan.Plain = p.all.Tee(scan.Plain)
	}
	return err
}

// isWhole reports whether the decoded bytes are those of the whole shard, when they have ended.
func (p *spool) isWhole() bool {
	return p.kept.at+int64(len(p.kept.part)) == p.s.Plain() && p.s.object.Unchanged(p.s.ctx) == nil
}

// filledBy makes a scan of the shard fill the spool. If there can be no file, reads of the shard return the error.
func (p *spool) filledBy(scan *Scan) {
	p.once.Do(func() { p.err = p.open(scan) })
}

// end ends a spool that was filled by a scan, when that has ended with err.
func (p *spool) end(err error) {
	if p != nil && p.all != nil {
		p.all.End(err)
	}
}

func (p *spool) close() error {
	if p == nil {
		return nil
	}
	var err error
	if p.all != nil {
		err = p.all.Close()
	}
	p.kept.close()
	if p.file != nil {
		p.file.Close()
	}
	return err
}
