package job

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/shardfs/shardfs/internal/store"
)

// ErrNotReport means that a file is not the report of a run.
var ErrNotReport = errors.New("not a report of a run")

// Failures are what reports tell of failures, by the name that they give a shard: without credentials, and empty in the
// report of a run over one shard.
type Failures map[string]Failure

// Failure is what has failed of a shard.
type Failure struct {
	Samples int    // whose commands have failed
	Error   string // why the shard itself was given up; "" if it was not
}

// Of returns what has failed of some shards together, given the names that reports have for them.
func (f Failures) Of(shards []string) (all Failure) {
	for _, shard := range shards {
		all.Samples += f[shard].Samples
		all.Error = cmp.Or(all.Error, f[shard].Error)
	}
	return all
}

// Read adds those of a report. A last line that is not whole, as of a run that goes on or was killed, does not count.
func (f Failures) Read(ctx context.Context, st store.Store, name string) error {
	shown := store.Redact(name)
	in, err := st.Open(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", shown, err)
	}
	defer in.Close()
	lines := bufio.NewReaderSize(io.NewSectionReader(store.At(ctx, in), 0, in.Size()), 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return nil
		case err == bufio.ErrBufferFull:
			err = ErrNotReport
		case err == nil:
			err = f.add(bytes.TrimSpace(line))
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", shown, n, err)
		}
	}
}

// add adds what has failed according to a line.
func (f Failures) add(line []byte) error {
	var l reportLine
	if json.Unmarshal(line, &l) != nil || l.Status == "" {
		return ErrNotReport
	}
	shard, err := l.name()
	if err != nil {
		return ErrNotReport
	}
	of := f[shard]
	switch {
	case l.Status != "failed":
		return nil
	case l.Key == nil && l.KeyHex == nil && l.Error != "":
		of.Error = l.Error
	default:
		of.Samples++
	}
	f[shard] = of
	return nil
}
