package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
)

// ReportFile is the name of the lines of a report in a store, in Options.Checkpoints, until it is published.
const ReportFile = "report.jsonl"

// storedReport is a report in a store, which gets its lines at the end. Until then they are in a local file, so that a run
// which is continued has them.
type storedReport struct {
	shown string
	to    store.Writer
	local string // the file; "" if it has no name
}

// openStoredReport opens a report in a store. It keeps the first bytes of the local file, or else the lines of the object
// about some shards. The object is created now, so that nothing is run if it cannot be.
func (r *run) openStoredReport(ctx context.Context, kept int64, shards map[string]bool) (rep *report, err error) {
	st := r.Workspace.Source.Shard.Store
	stored := &storedReport{shown: store.Redact(r.Report)}
	stored.to, err = st.Create(ctx, r.Report, store.Options{Replace: true, Weak: func(why string) {
		r.UI.WarnOnce("%s: %s", path.Dir(stored.shown), why)
	}})
	if err != nil {
		return nil, fmt.Errorf("report: %s: %w", stored.shown, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stored.to.Abort())
		}
	}()
	var file *os.File
	if r.points == nil {
		file, err = atomicfile.Unnamed(r.Workspace.TempDir)
	} else {
		stored.local = filepath.Join(r.Checkpoints, ReportFile)
		file, err = os.OpenFile(stored.local, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	rep = &report{file: file, lines: file, size: kept, stored: stored}
	if err = rep.rewind(stored.shown, kept); err == nil && kept == 0 && len(shards) > 0 {
		rep.size, err = copyStored(ctx, file, st, r.Report, shards)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("report: %w", err), file.Close())
	}
	return rep, nil
}

// copyStored copies the lines of a report in a store that are about some shards.
func copyStored(
	ctx context.Context, to io.Writer, st store.Store, name string, shards map[string]bool,
) (int64, error) {
	in, err := st.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	defer in.Close()
	n, _, err := copyLines(ctx, to, io.NewSectionReader(store.At(ctx, in), 0, in.Size()), shards)
	return n, err
}

// publish writes the lines to the store, and removes the local file.
func (s *storedReport) publish(ctx context.Context, lines *os.File) error {
	_, err := lines.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(s.to, lines)
	}
	if err == nil {
		commit, cancel := store.Committing(ctx)
		err = s.to.Commit(commit)
		cancel()
	}
	if err != nil {
		return fmt.Errorf("report: %s: %w", s.shown, err)
	}
	if s.local != "" {
		return os.Remove(s.local)
	}
	return nil
}
