package workspace

import (
	"errors"
	"io"
	"io/fs"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
)

// OfSource reports whether an error of opening or reading a source is about the source alone: it is damaged, missing,
// changed, or closed to this user. Other errors, such as those of a store that does not answer and of a full disk, most
// likely happen with all sources.
func OfSource(err error) bool {
	for _, of := range []error{
		index.ErrNotTar, index.ErrDamaged, index.ErrTruncated, index.ErrTooLarge, index.ErrStale,
		codec.ErrDamaged, codec.ErrLimit, codec.ErrFormat, io.ErrUnexpectedEOF,
		fs.ErrNotExist, fs.ErrPermission, store.ErrNotRegular, store.ErrChanged,
		source.ErrNoSamples, source.ErrNoFiles, mounts.ErrDead, server.ErrRefused,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}
