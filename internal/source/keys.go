package source

import (
	"bytes"
	"context"
	"os"
	"strings"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// ReadKeys reads a file of keys: one per line or, if null is set or the file has a NUL, each ended by a NUL. Empty ones
// do not count. For the empty name it returns nil, which stands for all keys.
func ReadKeys(ctx context.Context, name string, null bool) (*pack.Keys, error) {
	if name == "" {
		return nil, nil
	}
	b, err := pipe.Await(ctx, func() ([]byte, error) { return os.ReadFile(name) })
	if err != nil {
		return nil, ui.WithHint(ui.Usagef("--keys: %w", err), "a list of keys is a file, with one a line")
	}
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			err := ui.Usagef("--keys %s: it is UTF-16, and keys are compared byte by byte", name)
			return nil, ui.WithHint(err, "iconv -f UTF-16 -t UTF-8 makes it UTF-8")
		}
	}
	end := "\n"
	if null || bytes.IndexByte(b, 0) >= 0 {
		end = "\x00"
	}
	var list []string
	for key := range strings.SplitSeq(string(b), end) {
		if key != "" {
			list = append(list, key)
		}
	}
	return pack.NewKeys("--keys "+name, list), nil
}
