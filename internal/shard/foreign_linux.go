package shard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/store"
)

// foreign is an index of another tool beside a remote shard, which is being fetched.
type foreign struct {
	indexformat.Place
	*fetch
}

// fetchForeign begins to fetch the indexes of other tools. Without a cache, one that is false would be used again and
// again. Only a shard that is not compressed has some, and only its name tells that before it is opened.
func (s *Shard) fetchForeign(ctx context.Context) {
	object, query := store.CutQuery(s.path)
	dir, _ := path.Split(object)
	if !s.o.Provisional || !strings.HasSuffix(object, ".tar") || strings.HasSuffix(dir, "://") ||
		!CanKeep(s.o.CacheDir) {
		return
	}
	for _, p := range indexformat.Beside(object) {
		p.Name += query
		s.foreign = append(s.foreign, foreign{p, begin(ctx, func(ctx context.Context) ([]byte, error) {
			return s.readBeside(ctx, p.Name, func(r io.ReaderAt, size int64) ([]byte, error) {
				if size > maxInMemory || !indexformat.Owns(p.Format, r, size, 0) {
					return nil, fmt.Errorf("%w: no index of %s, or a large one", index.ErrStale, p.Format)
				}
				b := make([]byte, size)
				_, err := io.ReadFull(io.NewSectionReader(r, 0, size), b)
				return b, err
			})
		})})
	}
}

// loadForeign is the place beside the shard for the indexes of other tools. None of them is kept.
func (s *Shard) loadForeign(ctx context.Context) (found, error) {
	for _, f := range s.foreign {
		<-f.done
		file, err := s.provisional(ctx, f)
		if err == nil {
			sum := sha256.Sum256(f.b)
			s.Foreign = hex.EncodeToString(sum[:])
			s.o.Detail("%s: index of %s, from %s, without times and permissions",
				s.Name, f.Format, store.Redact(f.Name))
			return found{file: file}, nil
		}
		if errors.Is(err, store.ErrChanged) || ctx.Err() != nil {
			return found{}, err
		}
		if f.err == nil { // else the error has the name
			err = fmt.Errorf("%s: %w", store.Redact(f.Name), err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.o.Detail("%s: %v", s.Name, err)
		}
	}
	return found{}, nil
}

// provisional returns the index that was fetched, if it can be of this shard: nothing contradicts that, and its first
// member is there.
func (s *Shard) provisional(ctx context.Context, f foreign) (*index.File, error) {
	if f.err != nil {
		return nil, f.err
	}
	plain := store.At(ctx, s.object)
	if format, err := codec.DetectAt(plain); err != nil || format != codec.Plain {
		return nil, errors.Join(err, fmt.Errorf("%w: the shard is compressed", index.ErrStale))
	}
	imported, err := indexformat.Import(bytes.NewReader(f.b), f.Format, s.object.Size())
	if err != nil {
		return nil, err
	}
	at := s.ModTime()
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	file := &index.File{Format: codec.Plain, Map: codec.Map{Plain: s.object.Size()}}
	if file.Index, err = imported.Provisional(at); err != nil {
		return nil, err
	}
	if file.Origin, err = s.origin(ctx); err != nil {
		return nil, err
	}
	return file, file.Index.Check(0, plain)
}

// distrust keeps an entry in the cache that is no index, so that the shard is scanned when it is opened next, and
// foreign indexes are not looked at.
func (s *Shard) distrust(c *indexCache) error {
	if s.isCached() {
		return nil
	}
	e, err := c.Create(s.path)
	if err != nil {
		return err
	}
	return e.Commit()
}
