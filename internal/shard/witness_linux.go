package shard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// Witness returns a witness of the version that was opened. It can be used after Close.
func (s *Shard) Witness() store.Witness { return store.WitnessOf(s.o.Store, s.path, s.object) }

// WitnessOfFile returns a witness of an open file. If that is not a regular one, there is nothing to compare.
func WitnessOfFile(ctx context.Context, f *os.File) store.Witness {
	name := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	o, err := file.Store{}.Open(ctx, name)
	if err != nil {
		return store.Witness{}
	}
	o.Close()
	return store.WitnessOf(file.Store{}, name, o)
}

// explain returns store.ErrChanged instead of an error of open, if a local file has been changed since it was opened: then
// nothing else that was found in it means anything.
func (s *Shard) explain(ctx context.Context, err error) error {
	if s.object == nil || store.IsRemote(s.path) || ctx.Err() != nil {
		return err
	}
	if changed := s.object.Unchanged(ctx); errors.Is(changed, store.ErrChanged) {
		return changed
	}
	return err
}

// ModTime returns when the shard was last modified; the Unix epoch if its store does not know.
func (s *Shard) ModTime() time.Time {
	if dated, ok := s.object.(store.Dated); ok {
		return dated.ModTime()
	}
	return time.Unix(0, 0)
}

// Version returns a short text that distinguishes the versions of the shard, for checkpoints.
func (s *Shard) Version() string { return versionText(s.Origin.Size, s.Origin.Version) }

// ConfirmVersion returns an error if the shard of a name, in a store, has another Version; nil means local files.
func ConfirmVersion(ctx context.Context, st store.Store, name, version string) error {
	if st == nil {
		st = file.Store{}
	}
	info, err := st.Stat(ctx, store.Absolute(name))
	if err == nil && versionText(info.Size, string(info.Version)) != version {
		err = store.ErrChanged
	}
	if err != nil {
		return fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	return nil
}

// IsFile reports whether a local file, under any name, is the version of a shard with an origin.
func IsFile(origin index.Origin, name string) bool {
	info, err := file.Store{}.Stat(context.Background(), name)
	return err == nil && origin.Version == string(info.Version) && origin.Size == info.Size
}

func versionText(size int64, version string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", size, version))
	return hex.EncodeToString(sum[:8])
}
