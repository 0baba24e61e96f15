package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// ReadKeys reads a file, or an object of a store, with keys: one per line or, if null is set or the file has a NUL, each
// ended by a NUL. Empty ones do not count. For the empty name it returns nil, which stands for all keys.
func ReadKeys(ctx context.Context, st store.Store, name string, null bool) (*pack.Keys, error) {
	if name == "" {
		return nil, nil
	}
	shown := store.Redact(name)
	b, err := pipe.Await(ctx, func() ([]byte, error) { return readLines(ctx, st, name) })
	switch {
	case err != nil && store.IsRemote(name) && !errors.Is(err, errNotKeys):
		return nil, fmt.Errorf("--keys %s: %w", shown, err)
	case err != nil:
		return nil, ui.WithHint(ui.Usagef("--keys %s: %w", shown, err), "a list of keys is a file, with one a line")
	}
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(mark)) {
			err := ui.Usagef("--keys %s: it is UTF-16, and keys are compared byte by byte", shown)
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
	return pack.NewKeys("--keys "+shown, list), nil
}

// maxBlock is how many bytes of a list of keys must have both a key and the end of one. So a device that never ends is not
// read for good. A list may have maxBlocks of them.
const (
	maxBlock  = 1 << 20
	maxBlocks = 1 << 12
)

// readLines returns the bytes of a list of keys.
func readLines(ctx context.Context, st store.Store, name string) (list []byte, err error) {
	f, err := openList(ctx, st, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for range maxBlocks {
		list = slices.Grow(list, maxBlock)
		block := list[len(list) : len(list)+maxBlock]
		n, err := io.ReadFull(f, block)
		list = list[:len(list)+n]
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return list, nil
		case err != nil:
			return nil, err
		case !bytes.ContainsAny(block, "\n\x00"):
			return nil, fmt.Errorf("%w: a line has over %d bytes", errNotKeys, maxBlock)
		case len(bytes.Trim(block, "\n\r\x00")) == 0:
			return nil, fmt.Errorf("%w: %d empty lines", errNotKeys, maxBlock)
		}
	}
	return nil, fmt.Errorf("%w: over %d MiB", errNotKeys, maxBlocks*maxBlock>>20)
}

// errNotKeys means that a file is no list of keys.
var errNotKeys = errors.New("not a list of keys")
