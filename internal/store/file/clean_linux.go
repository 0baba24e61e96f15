package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
)

// Clean implements [store.Cleaner]: it removes temporary files in the directory of prefix. One that a process is writing
// is locked, and stays. Of a name with more than 200 bytes a Leftover has only the beginning, and a digest.
func (Store) Clean(
	ctx context.Context, prefix string, may func(store.Leftover) bool,
) iter.Seq2[store.Leftover, error] {
	return func(yield func(store.Leftover, error) bool) {
		path, err := store.Path(prefix)
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			yield(store.Leftover{}, err)
			return
		}
		above, base := filepath.Split(path)
		dir, err := os.OpenFile(filepath.Clean(above), os.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			if errors.Is(err, unix.ENOTDIR) {
				err = fs.ErrNotExist
			}
			yield(store.Leftover{}, bare(err))
			return
		}
		defer dir.Close()
		named := strings.TrimSuffix(prefix, base) // the directory, as it was given
		leftover := func(l atomicfile.Leftover) store.Leftover {
			return store.Leftover{
				Name: named + l.Final, At: above + l.Name, Size: l.Size, Time: l.ModTime, Resumable: l.Part,
			}
		}
		more := true
		err = atomicfile.Clean(dir, func(l atomicfile.Leftover) bool {
			return more && ctx.Err() == nil && strings.HasPrefix(l.Final, base) && may(leftover(l))
		}, func(l atomicfile.Leftover) { more = yield(leftover(l), nil) })
		switch {
		case !more:
		case ctx.Err() != nil:
			yield(store.Leftover{}, context.Cause(ctx))
		case err != nil:
			err = fmt.Errorf("a temporary file stays, because a process may be writing it: %w", bare(err))
			yield(store.Leftover{}, err)
		}
	}
}
