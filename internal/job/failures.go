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

// Failures counts failed samples, by the name of the shard that a report gives: without credentials, and empty in the
// report of a run over one shard.
type Failures map[string]int

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

// add counts the sample of a line, if it has failed.
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
	if l.Status == "failed" {
		f[shard]++
	}
	return nil
}
