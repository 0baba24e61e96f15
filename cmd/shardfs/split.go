package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// splitFlags say how samples are spread over several outputs.
type splitFlags struct {
	count int    // samples in each; 0: any number
	size  string // of each, see parseSize; "": any

	bytes int64 // what size says; 0: any
}

func (f *splitFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.count, "split-count", 0, "split to outputs of `N` samples, numbered by %d in OUT")
	flags.StringVar(&f.size, "split-size", "", "split to outputs of at most `S` bytes, as 500M or 1Gi")
}

// given reports whether there is to be more than one output.
func (f *splitFlags) given() bool { return f.count != 0 || f.size != "" }

// check refuses what makes no sense.
func (f *splitFlags) check(o *outputOptions) (err error) {
	if f.size != "" {
		if f.bytes, err = parseSize(f.size); err != nil {
			return ui.Usagef("--split-size %s: %w", f.size, err)
		}
	}
	switch {
	case !f.given():
		return nil
	case f.count < 0:
		return ui.Usagef("--split-count %d: at least 1", f.count)
	case len(newNumbered(o.name).widths) != 1:
		return ui.Usagef("-o %s: the name of split outputs has one place for their number, %%d or %%06d", o.name)
	case o.ifExists == "skip":
		return ui.Usagef("--if-exists skip: how many outputs there will be is known only in the end")
	}
	return nil
}

// parseSize reads a number of bytes: with k, M or G of powers of 1000, with Ki, Mi or Gi of powers of 1024.
func parseSize(s string) (int64, error) {
	m := regexp.MustCompile(`^([0-9]{1,9})(?:([kMG])|([KMG])i)?$`).FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("not a number of bytes, as 500M or 1Gi")
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	if n == 0 {
		return 0, fmt.Errorf("at least 1")
	}
	powers := map[string]int64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
	binary := map[string]int64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
	return n * powers[m[2]] * binary[m[3]], nil
}

// write makes outputs of samples, and publishes each when it is full. One that would replace a file that is read is refused.
func (f *splitFlags) write(ctx context.Context, u *ui.UI, o outputOptions, read []os.FileInfo, samples iter.Seq2[pack.Sample, error]) error {
	names := newNumbered(o.name)
	o.ownEnd = true // or a part could be longer than it may be
	var part *output
	defer func() {
		if part != nil {
			part.abort()
		}
	}()
	number := 0
	next := func() (err error) {
		o := o
		o.name = names.with(number, func(text string) string { return text })
		if isOne(read, o.name) {
			return ui.Usagef("%s: it is one of the shards that are packed", o.name)
		}
		before := part
		if part, err = o.create(ctx, false); err != nil {
			return err
		}
		if before != nil {
			part.Continue(before.Writer)
		}
		number++
		return nil
	}
	if err := next(); err != nil {
		return err
	}
	for s, err := range samples {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		full, err := f.full(part.Writer, s)
		if err != nil {
			return err
		}
		if full {
			if err := part.publish(ctx, u); err != nil {
				return err
			}
			if err := next(); err != nil {
				return err
			}
		}
		if err := part.Write(s); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return part.publish(ctx, u)
}

// full reports whether a sample has no place any more in an output.
func (f *splitFlags) full(w *pack.Writer, s pack.Sample) (bool, error) {
	size, samples := w.Size(), w.Summary().Samples
	if size == 0 || f.bytes == 0 && samples < f.count {
		return false, nil
	}
	after, err := w.Measure(s)
	if err != nil || after.Bytes == size {
		return false, err
	}
	return f.count > 0 && after.Samples > f.count || f.bytes > 0 && pack.Closed(after.Bytes) > f.bytes, nil
}

// isOne reports whether a file is one of others.
func isOne(files []os.FileInfo, name string) bool {
	info, err := os.Stat(name)
	return err == nil && slices.ContainsFunc(files, func(f os.FileInfo) bool { return os.SameFile(f, info) })
}
