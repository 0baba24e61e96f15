package job

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

// publishedBefore returns the names of sources whose outputs were published before this run.
func (r *run) publishedBefore() map[string]bool {
	shards := make(map[string]bool)
	for number, exists := range r.exists {
		if exists {
			shards[r.names[number].String()] = true
		}
	}
	return shards
}

// keepLines removes all lines from a report but those about some shards, and returns its size then. It does nothing to
// a file that is not regular. The report is replaced as a whole, so that a run that is killed loses none of the lines.
func keepLines(ctx context.Context, name string, shards map[string]bool) (int64, error) {
	path, err := atomicfile.Follow(name)
	if err != nil {
		return 0, err
	}
	in, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may be a FIFO
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	out, err := atomicfile.Create(dir, filepath.Base(path), atomicfile.Options{Replace: true})
	if err != nil {
		return 0, err
	}
	defer out.Abort()
	kept, dropped, err := copyLines(ctx, out, in, shards)
	if err != nil || !dropped {
		return kept, err
	}
	return kept, out.Commit()
}

// copyLines copies the whole lines of a report that are about some shards, and returns how many bytes they have, and
// whether there are others.
func copyLines(
	ctx context.Context, out io.Writer, in io.Reader, shards map[string]bool,
) (kept int64, others bool, err error) {
	lines, w := bufio.NewReaderSize(in, 1<<16), bufio.NewWriterSize(out, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if ctx.Err() != nil {
			return kept, others, context.Cause(ctx)
		}
		if err == io.EOF {
			return kept, others || len(line) > 0, w.Flush()
		}
		if err != nil {
			return kept, others, err
		}
		if !shards[shardOf(line)] {
			others = true
			continue
		}
		n, err := w.Write(line)
		if kept += int64(n); err != nil {
			return kept, others, err
		}
	}
}

// shardOf returns the shard that a line of a report is about; "" if it names none.
func shardOf(line []byte) string {
	var about reportShard
	if json.Unmarshal(line, &about) != nil {
		return ""
	}
	name, err := about.name()
	if err != nil {
		return ""
	}
	return name
}
