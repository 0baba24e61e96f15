package main

import (
	"context"
	"errors"
	"iter"

	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// packing is the work of pack: all sources into one output, or each into its own.
type packing struct {
	*packFlags
	ui      *ui.UI
	out     output.Options // without the name of an output
	split   output.Split
	mend    *pack.Fix // nil: shards are packed as they are
	join    *source.Join
	chooser *pack.Chooser // over all sources
	legs    []leg
}

// leg is an output, or the outputs of a split, and the sources whose samples go into it.
type leg struct {
	output string
	names  []source.Name
	exists bool // the output exists, and is to be skipped
}

// resolve resolves the arguments of pack, finds the legs, and checks all files.
func (p *packing) resolve(ctx context.Context, args []string) ([]source.Name, error) {
	names, err := p.from.names(ctx, args, p.output.allowPipe)
	if err != nil {
		return nil, err
	}
	if p.legs, err = p.output.legs(names); err != nil {
		return nil, err
	}
	f := written()
	for _, l := range p.legs {
		out := p.out
		if out.Name = l.output; p.split.Given() {
			err = errors.Join(p.split.Check(&out), p.split.Claim(ctx, &out, f, "-o"))
		} else {
			err = out.Claim(ctx, f, "-o")
		}
		if err != nil {
			return nil, err
		}
	}
	return names, p.checkFiles(ctx, args, names, f)
}

// legs returns what is packed into which output.
func (o *outputFlags) legs(names []source.Name) ([]leg, error) {
	if o.pattern == nil {
		return []leg{{output: o.name, names: names}}, nil
	}
	var shards []string
	for _, n := range names {
		shards = append(shards, n.Text)
	}
	outputs, err := o.each(shards)
	var legs []leg
	for i, name := range outputs {
		legs = append(legs, leg{output: name, names: names[i : i+1]})
	}
	return legs, err
}

// each returns the name of the output of each shard; nil if there is one for all.
func (o *outputFlags) each(shards []string) ([]string, error) {
	if o.pattern == nil {
		return nil, nil
	}
	return o.pattern.Outputs(shards)
}

// find looks for the outputs, if there is one for each source and those that exist are not replaced. It returns errors
// about keys that are missing, and about outputs that must not exist, as far as they are known before any work.
func (p *packing) find(ctx context.Context, names []source.Name) error {
	if p.output.pattern == nil {
		return nil // creating the output finds out
	}
	if c := p.chooser.Choice; !c.All() && !p.fix.fix {
		if err := source.Foresee(ctx, names, p.from.source(), c, false).Err(); err != nil {
			return err
		}
	}
	if p.split.Given() || p.out.IfExists == output.Overwrite {
		return nil
	}
	var outputs []string
	for _, l := range p.legs {
		outputs = append(outputs, l.output)
	}
	exist, err := p.out.Existing(ctx, outputs)
	if err != nil {
		return err
	}
	skipped := 0
	for i, exists := range exist {
		if exists {
			p.ui.Detail("%s: exists, skipped", store.Redact(outputs[i]))
			p.legs[i].exists = true
			skipped++
		}
	}
	if skipped > 0 {
		p.ui.Note("%d of %s exist, skipped", skipped, ui.Count(len(outputs), "output"))
	}
	return nil
}

// run packs the legs, one after the other, and reports on all.
func (p *packing) run(ctx context.Context) error {
	var cuts []error
	for _, l := range p.legs {
		var cut, err error
		switch {
		case l.exists:
			p.join.Partial = true
			err = source.Pass(ctx, l.names[0], p.from.source(), p.chooser)
		case len(p.legs) > 1 && p.chooser.Done() && !p.empty:
		default:
			cut, err = p.pack(ctx, l)
		}
		if err != nil {
			return err
		}
		cuts = append(cuts, cut)
	}
	if p.output.pattern != nil && !p.chooser.All() {
		if err := p.chooser.Err(); err != nil {
			return err
		}
	}
	if err := p.chooser.Missing(); err != nil {
		p.ui.Note("%v", err)
	}
	if p.mend != nil {
		reportFixed(p.ui, p.mend.Fixed)
	}
	return errors.Join(append(cuts, p.join.Report())...)
}

// pack packs a leg. It writes no output if there is one for each source, and none of the samples of this one is chosen.
// The error cut wraps source.ErrCut if the output is published, but lacks samples after a cut.
func (p *packing) pack(ctx context.Context, l leg) (cut, err error) {
	out := p.out
	out.Name = l.output
	if err := p.foresee(ctx, l.names, p.chooser.Choice, &out); err != nil {
		return nil, err
	}
	from := p.from.source()
	from.InStore = out.CopiesInStore
	from.Folder, from.Fix = &folder.Options{ClassDirs: p.classDirs, Skip: p.join.Files()}, p.mend
	in := source.NewList(l.names, from)
	defer in.Close()
	taken, samples := p.chooser.Taken, p.samples(ctx, in, &out)
	out.Confirm = func(ctx context.Context) error { return errors.Join(in.Confirm(ctx), p.join.Confirm(ctx)) }
	if p.split.Given() {
		err = p.split.Write(ctx, out, samples)
	} else {
		err = output.Write(ctx, out, func(w *pack.Writer) error { return pack.Pack(ctx, w, samples) })
	}
	if errors.Is(err, pack.ErrEmpty) && p.output.pattern != nil && !p.chooser.All() && p.chooser.Taken == taken {
		p.ui.Detail("%s: no sample is chosen, so there is no output", l.names[0])
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return in.MarkPacked(), nil
}

// samples returns the samples to pack: chosen, joined and ordered. It completes the options of the output.
func (p *packing) samples(ctx context.Context, in *source.List, out *output.Options) iter.Seq2[pack.Sample, error] {
	samples := in.Samples(ctx)
	in.Partial = p.output.fields != "" || !p.chooser.All()
	switch {
	case p.chooser.All():
	case p.output.pattern != nil:
		samples = p.chooser.ApplyPart(samples)
	default:
		samples = p.chooser.Apply(samples)
	}
	samples = p.join.Apply(samples)
	if p.order.Given() {
		in.Buffered, out.Pack.Reordered = true, true
		samples = p.order.Apply(samples)
	}
	if in.HasFolders() {
		samples = pack.ReadAhead(samples)
	}
	out.Pack.OwnEnd = !in.Single()
	return in.Shown(samples, p.chooser.Choice)
}
