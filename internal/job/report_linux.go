package job

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
)

// reportTail is how many bytes from the end of standard error a report has for each sample.
const reportTail = 2048

// report writes a line of JSON for each sample. The methods of a nil report do nothing.
type report struct {
	file  *os.File
	lines io.Writer // to file
	size  int64

	stored *storedReport // it is in a store, and file has its lines until it is published; else nil
}

// reportLine is one line of a report.
type reportLine struct {
	reportShard         // not in a run over one source into one output
	Key         *string `json:"key,omitempty"`
	KeyHex      *string `json:"key_hex,omitempty"` // instead of key if that is not UTF-8
	Index       int     `json:"index"`
	Status      string  `json:"status"`           // done or failed
	Exit        *int    `json:"exit,omitempty"`   // exit status of the command; absent if it did not exit
	Signal      string  `json:"signal,omitempty"` // signal that killed it
	Error       string  `json:"error,omitempty"`
	Attempts    int     `json:"attempts"`
	Seconds     float64 `json:"seconds"` // of the last attempt
	Stderr      string  `json:"stderr,omitempty"`
}

// reportShard is the shard that a line of a report is about.
type reportShard struct {
	Shard    *string `json:"shard,omitempty"`
	ShardHex *string `json:"shard_hex,omitempty"` // instead of shard if that is not UTF-8
}

func newReportShard(name string) reportShard {
	text := ui.NewJSONText(name)
	return reportShard{text.Text, text.Hex}
}

// name returns the name of the shard; "" if there is none.
func (s reportShard) name() (string, error) {
	switch {
	case s.ShardHex != nil:
		name, err := hex.DecodeString(*s.ShardHex)
		return string(name), err
	case s.Shard != nil:
		return *s.Shard, nil
	}
	return "", nil
}

// openReport opens the report of a run. It keeps the lines of an earlier run that this one continues, and those about
// sources whose outputs an earlier run has published.
func (r *run) openReport(ctx context.Context) (*report, error) {
	if r.Report == "" {
		return nil, nil
	}
	kept, shards := r.from.Report, r.publishedBefore()
	if store.IsRemote(r.Report) {
		return r.openStoredReport(ctx, kept, shards)
	}
	if stream := r.streamOf(r.Report); stream != nil {
		return openAppended(stream, kept)
	}
	if kept == 0 && len(shards) > 0 {
		var err error
		if kept, err = keepLines(ctx, r.Report, shards); err != nil {
			return nil, &ui.UsageError{Err: fmt.Errorf("report: %w", err)}
		}
	}
	return openReport(ctx, r.Report, kept)
}

// streamOf returns standard output or standard error if it is the regular file with a name, such as /dev/stdout; else nil.
func (r *run) streamOf(name string) *os.File {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	messages, _ := r.UI.Err.(*os.File)
	for _, stream := range []*os.File{r.Stdout, messages} {
		if stream == nil {
			continue
		}
		if of, err := stream.Stat(); err == nil && os.SameFile(info, of) {
			return stream
		}
	}
	return nil
}

// openAppended opens a report whose lines go where those of a stream go: what the file has is not the report's.
func openAppended(stream *os.File, kept int64) (*report, error) {
	fd, err := unix.FcntlInt(stream.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	file := os.NewFile(uintptr(fd), stream.Name())
	return &report{file: file, lines: file, size: kept}, nil
}

// openReport opens a report for writing. It keeps the first bytes, the lines of an earlier run.
func openReport(ctx context.Context, name string, kept int64) (*report, error) {
	file, err := pipe.Await(ctx, func() (*os.File, error) { return os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666) })
	if err != nil {
		return nil, &ui.UsageError{Err: fmt.Errorf("report: %w", err)}
	}
	r := &report{file: file, lines: file, size: kept}
	info, err := file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = r.rewind(name, kept)
	} else {
		r.lines = pipe.NewWriter(ctx, file)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// rewind removes all but the first bytes of a regular file.
func (r *report) rewind(name string, kept int64) error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < kept {
		return fmt.Errorf("%s: %w: it is shorter than it was when the run was interrupted", name, errNoResume)
	}
	if err := r.file.Truncate(kept); err != nil {
		return err
	}
	_, err = r.file.Seek(kept, io.SeekStart)
	return err
}

// add writes the line for a sample. Shard is empty in a run over one source.
func (r *report) add(shard string, t *workspace.Task, res runner.Result) error {
	if r == nil {
		return nil
	}
	key := ui.NewJSONText(t.Key)
	line := reportLine{
		Key: key.Text, KeyHex: key.Hex, Index: t.Number, Status: "done", Attempts: res.Attempts,
		Seconds: res.Duration.Seconds(), Stderr: string(res.Tail),
	}
	if shard != "" {
		line.reportShard = newReportShard(shard)
	}
	var exit *runner.ExitError
	switch {
	case res.Err == nil:
		line.Exit = new(int)
	case errors.As(res.Err, &exit) && exit.Signal != 0:
		line.Signal = unix.SignalName(exit.Signal)
	case errors.As(res.Err, &exit):
		line.Exit = &exit.Status
	}
	if res.Err != nil {
		line.Status, line.Error = "failed", res.Err.Error()
	}
	return r.write(line)
}

// addShard writes the line for a source that was given up because of an error: it has no key.
func (r *report) addShard(shard string, err error) error {
	if r == nil {
		return nil
	}
	return r.write(struct {
		reportShard
		Status string `json:"status"`
		Error  string `json:"error"`
	}{newReportShard(shard), "failed", err.Error()})
}

func (r *report) write(line any) error {
	b, err := ui.JSON(line)
	if err != nil {
		return err
	}
	n, err := r.lines.Write(b)
	r.size += int64(n)
	return err
}

// sync makes the lines durable, and returns their size in bytes.
func (r *report) sync() (int64, error) {
	if r == nil {
		return 0, nil
	}
	err := r.file.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) { // not a regular file
		err = nil
	}
	return r.size, err
}

// close closes the report. One in a store is published, unless ctx has ended.
func (r *report) close(ctx context.Context) error {
	if r == nil {
		return nil
	}
	_, err := r.sync()
	if r.stored != nil {
		if err == nil && ctx.Err() == nil {
			err = r.stored.publish(ctx, r.file)
		}
		err = errors.Join(err, r.stored.to.Abort())
	}
	return errors.Join(err, r.file.Close())
}
