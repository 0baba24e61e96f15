package job

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
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
	shard := ""
	switch {
	case l.ShardHex != nil:
		b, err := hex.DecodeString(*l.ShardHex)
		if err != nil {
			return ErrNotReport
		}
		shard = string(b)
	case l.Shard != nil:
		shard = *l.Shard
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
