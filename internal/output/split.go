package output

import (
	"context"
	"errors"

	"iter"
	"regexp"
	"strconv"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Split configures how samples are spread over several outputs. The zero value means one output.
type Split struct {
	Count int   // most samples in each; 0 means no limit
	Bytes int64 // most bytes of plain tar in each; 0 means no limit
}

// Given reports whether samples are split at all.
func (s Split) Given() bool { return s.Count != 0 || s.Bytes != 0 }

// Check returns an error if the name of the outputs has no place for a number, or one although there is only one output,
// or if existing outputs are to be skipped.
func (s Split) Check(o *Options) error {
	switch {
	case !s.Given() && o.IsFile() && len(parseTemplate(o.Name).widths) > 0:
		err := ui.Usagef("-o %s: there is one output, without a number", o.Name)
		return ui.WithHint(err, "pack --split-size S or --split-count N writes several")
	case !s.Given():
		return nil
	case s.Count < 0:
		return ui.Usagef("--split-count %d: at least 1", s.Count)
	case len(parseTemplate(o.Name).widths) != 1:
		return ui.Usagef("-o %s: the name of split outputs has one place for their number, %%d or %%06d", o.Name)
	case o.IfExists == Skip:
		return ui.Usagef("--if-exists skip: the number of outputs is known only at the end")
	}
	return nil
}

// ParseSize parses a number of bytes: k, M and G are powers of 1000; Ki, Mi and Gi are powers of 1024.
func ParseSize(s string) (int64, error) {
	m := regexp.MustCompile(`^([0-9]{1,9})(?:([kMG])|([KMG])i)?$`).FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New("not a number of bytes, such as 500M or 1Gi")
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	if n == 0 {
		return 0, errors.New("at least 1")
	}
	powers := map[string]int64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
	binary := map[string]int64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
	return n * powers[m[2]] * binary[m[3]], nil
}

// Write spreads samples over outputs, and publishes each when it is full.
func (s Split) Write(ctx context.Context, o Options, samples iter.Seq2[pack.Sample, error]) error {
	o.Pack.OwnEnd = true // a copied end could make an output too long
	p := parts{o: o, names: parseTemplate(o.Name)}
	defer p.abort()
	if err := errors.Join(p.warnEarlier(ctx), context.Cause(ctx)); err != nil {
		return err
	}
	if err := p.next(ctx); err != nil {
		return err
	}
	if err := s.spread(ctx, &p, samples); err != nil {
		return p.now.explain(ctx, err)
	}
	if err := p.now.publish(ctx); err != nil {
		return err
	}
	p.now.WarnUnmatched()
	return p.leaveEarlier(ctx)
}

// spread writes samples to parts, and publishes all but the last one.
func (s Split) spread(ctx context.Context, p *parts, samples iter.Seq2[pack.Sample, error]) error {
	for sample, err := range samples {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		full, err := s.full(p.now.Writer, sample)
		if err != nil {
			return err
		}
		if full {
			if err := p.now.publish(ctx); err != nil {
				return err
			}
			if err := p.next(ctx); err != nil {
				return err
			}
		}
		if err := p.now.Write(sample); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// full reports whether an output has no room for a sample.
func (s Split) full(w *pack.Writer, sample pack.Sample) (bool, error) {
	size, samples := w.Size(), w.Summary().Samples
	if size == 0 || s.Bytes == 0 && samples < s.Count {
		return false, nil
	}
	after, err := w.Measure(sample)
	if err != nil || after.Bytes == size {
		return false, err
	}
	return s.Count > 0 && after.Samples > s.Count || s.Bytes > 0 && pack.Closed(after.Bytes) > s.Bytes, nil
}

// parts are the outputs of a split, one after the other.
type parts struct {
	o       Options
	names   template
	earlier []part  // outputs of an earlier run
	number  int     // number of the next output
	now     *Output // nil before the first
}

// next begins the next output, which continues where the last one ended.
func (p *parts) next(ctx context.Context) error {
	o := p.o
	o.Name = p.names.of(p.number)
	if err := o.checkIndexes(ctx, o.Name, false); err != nil {
		return err
	}
	out, err := Create(ctx, o)
	if err != nil {
		return err
	}
	if p.now != nil {
		out.Continue(p.now.Writer)
		out.o.AllowEmpty = true // the samples are in those before it
	}
	p.now = out
	p.number++
	return nil
}

func (p *parts) abort() {
	if p.now != nil {
		p.now.Abort()
	}
}
