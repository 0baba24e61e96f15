package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/store"
)

// What check found.
var (
	errFindings = errors.New("there are errors")
	errWarnings = errors.New("there are warnings")
)

func newCheck(ui *ui) *cobra.Command {
	c := checker{ui: ui, linter: lint.New(), found: make(map[lint.Severity]int)}
	cmd := &cobra.Command{
		Use:   "check [flags] SHARD...",
		Short: "Tell what other readers of shards would stumble over",
		Long: `Check reads shards from front to end and tells what is damaged, and what
WebDataset, tarproc, tarp, DALI or Megatron-Energon would lose, refuse or call
by another name. Of several shards it also finds the keys that are in two.

The exit status is 65 if a shard is damaged or cut, else 1 if there are errors,
by which readers lose samples, 3 if there are warnings, and 0.`,
		Example: `  shardfs check train-0000.tgz
  shardfs check --json 'train-{0000..0147}.tgz' | jq -r .code | sort | uniq -c
  curl -s https://host/train.tgz | shardfs check -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := expandShards(args)
			if err != nil {
				return err
			}
			for _, name := range names {
				if err := c.check(cmd.Context(), name); err != nil {
					return err
				}
			}
			return c.verdict()
		},
	}
	cmd.Flags().BoolVar(&c.truncated, "allow-truncated", false, "take a cut for a warning")
	return cmd
}

// checker checks one shard after the other.
type checker struct {
	ui     *ui
	linter *lint.Linter
	found  map[lint.Severity]int // findings
	broken error                 // of the first shard that is damaged

	truncated bool // a shard may be cut
}

// check checks a shard. Its error is one that nothing can be checked after.
func (c *checker) check(ctx context.Context, name string) error {
	in, err := openWhole(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	defer in.Close()
	name = store.Redact(name)
	listed := make(map[string]int)
	var reportErr error
	shard := c.linter.Shard(name, func(f lint.Finding) {
		c.found[f.Severity]++
		listed[f.Code]++
		if reportErr == nil && (c.ui.json || listed[f.Code] <= maxListed) {
			reportErr = c.report(name, f)
		}
	})
	err = checkShard(in, shard, func() error { return reportErr })
	if reportErr != nil {
		return reportErr
	}
	if c.truncated && (errors.Is(err, index.ErrTruncated) || errors.Is(err, io.ErrUnexpectedEOF)) {
		shard.Find(lint.Warning, "truncated", err.Error())
		shard.End()
		err = reportErr
	}
	if err != nil && exitStatus(err) != exitDamaged {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
		c.ui.fail(err)
		if c.broken == nil {
			c.broken = err
		}
	}
	for _, code := range slices.Sorted(maps.Keys(listed)) {
		if more := listed[code] - maxListed; more > 0 && !c.ui.json {
			if _, err := fmt.Fprintln(c.ui.out, printable(fmt.Sprintf("%s: %s: and %d more", name, code, more))); err != nil {
				return err
			}
		}
	}
	c.ui.note("%s: %s", name, count(shard.Samples(), "sample"))
	return nil
}

// maxListed is how many findings of a kind are listed of each shard, other than as JSON.
const maxListed = 10

// report prints a finding.
func (c *checker) report(name string, f lint.Finding) error {
	if !c.ui.json {
		text := fmt.Sprintf("%s: %v: %s: %s", name, f.Severity, f.Code, f.Text)
		if f.Member != "" {
			text = fmt.Sprintf("%s: %v: %s: %s: %s", name, f.Severity, f.Code, f.Member, f.Text)
		}
		_, err := fmt.Fprintln(c.ui.out, printable(text))
		return err
	}
	line := struct {
		Shard     string  `json:"shard"`
		Severity  string  `json:"severity"`
		Code      string  `json:"code"`
		Key       *string `json:"key,omitempty"`
		KeyHex    *string `json:"key_hex,omitempty"`
		Member    *string `json:"member,omitempty"`
		MemberHex *string `json:"member_hex,omitempty"`
		Offset    *int64  `json:"offset,omitempty"`
		Message   string  `json:"message"`
	}{Shard: name, Severity: f.Severity.String(), Code: f.Code, Message: f.Text}
	if f.Key != "" {
		key := newJSONText(f.Key)
		line.Key, line.KeyHex = key.text, key.hex
	}
	if f.Member != "" {
		member := newJSONText(f.Member)
		line.Member, line.MemberHex, line.Offset = member.text, member.hex, &f.Offset
	}
	return c.ui.print(line)
}

// verdict returns what the exit status says of all shards.
func (c *checker) verdict() error {
	switch {
	case c.broken != nil:
		return &silent{c.broken}
	case c.found[lint.Error] > 0:
		return &silent{errFindings}
	case c.found[lint.Warning] > 0:
		return &silent{errWarnings}
	}
	return nil
}

// openWhole opens a shard to be read from front to end.
func openWhole(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(interruptible{ctx, os.Stdin}), nil
	}
	object, err := store.Open(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{contextReader{ctx, io.NewSectionReader(object, 0, object.Size())}, object}, nil
}

// checkShard looks at all of a shard. Stop says why to go no further.
func checkShard(in io.Reader, shard *lint.Shard, stop func() error) error {
	buffered := bufio.NewReaderSize(in, 1<<20)
	head, err := buffered.Peek(index.BlockSize)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) == 0 {
		return fmt.Errorf("%w: it is empty", index.ErrNotTar)
	}
	plain := &lastByte{r: buffered, last: -1}
	format := codec.Detect(head)
	var decoder *codec.Reader
	if format != codec.Plain {
		if format == codec.Gzip && codec.HasExtra(head) {
			shard.Find(lint.Error, "gzip-extra", "the gzip header has an extra field, as bgzip writes it: Python's tarfile, and so WebDataset, cannot read it as a stream")
		}
		if decoder, err = codec.NewReader(format, buffered, codec.Options{}); err != nil {
			return err
		}
		plain.r = decoder
	}
	scanner := index.NewScanner(plain)
	for {
		e, err := scanner.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		shard.Member(e)
		if err := stop(); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { // only so are all checksums compared
		return err
	}
	shard.End()
	if plain.last >= scanner.End() {
		shard.Find(lint.Error, "behind-end", fmt.Sprintf("something follows the end marker at byte %d: readers stop there, so a second tar behind it is lost", scanner.End()))
	}
	switch {
	case format == codec.Zstd || format == codec.LZ4:
		shard.Find(lint.Error, "compression", fmt.Sprintf("WebDataset and tarproc cannot read %v", format))
	case decoder != nil && decoder.Parts() > 1:
		shard.Find(lint.Error, "parts", fmt.Sprintf("the %v data is in %d parts: Python's tarfile in stream mode, and so WebDataset, loses all behind the first or refuses it", format, decoder.Parts()))
	}
	if decoder != nil && decoder.Trailing() > 0 {
		shard.Find(lint.Warning, "trailing", fmt.Sprintf("%d bytes follow the compressed data", decoder.Trailing()))
	}
	return nil
}

// lastByte notes where the last byte other than zero is.
type lastByte struct {
	r    io.Reader
	n    int64
	last int64 // its offset; -1 before there was one
}

func (l *lastByte) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i := n - 1; i >= 0; i-- {
		if p[i] != 0 {
			l.last = l.n + int64(i)
			break
		}
	}
	l.n += int64(n)
	return n, err
}
