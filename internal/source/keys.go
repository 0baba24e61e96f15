package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	b, err := pipe.Await(ctx, func() ([]byte, error) { return readLines(name) })
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

// maxBlock is how many bytes of a list of keys must have both a key and the end of one. So a device that never ends is not
// read for good. A list may have maxBlocks of them.
const (
	maxBlock  = 1 << 20
	maxBlocks = 1 << 12
)

// readLines returns the bytes of a list of keys.
func readLines(name string) (list []byte, err error) {
	f, err := os.Open(name)
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
			return nil, fmt.Errorf("%s: %w: a line has over %d bytes", name, errNotKeys, maxBlock)
		case len(bytes.Trim(block, "\n\r\x00")) == 0:
			return nil, fmt.Errorf("%s: %w: %d empty lines", name, errNotKeys, maxBlock)
		}
	}
	return nil, fmt.Errorf("%s: %w: over %d MiB", name, errNotKeys, maxBlocks*maxBlock>>20)
}

// errNotKeys means that a file is no list of keys.
var errNotKeys = errors.New("not a list of keys")
