package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/shardfs/shardfs/internal/claim"
	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// reads are the files that a command reads.
type reads struct {
	args    []string // as the user gave them
	names   []source.Name
	from    source.Options
	named   map[string]string // files by what they are
	indexes bool              // the command writes only sidecars
}

// check returns an error if a command would write, to the files of f, a file that it reads or that a mount needs.
func (r *reads) check(f *claim.Files) error {
	if !f.Writes() {
		return nil
	}
	source.ClaimList(f, r.args)
	source.Claim(f, r.names, r.from)
	for flag, name := range r.named {
		if name != "" {
			f.Read(flag, name)
		}
	}
	if dir := r.from.Shard.CacheDir; dir != "" {
		f.ReadBelow("the cache of index files "+dir, dir, 1)
	}
	if index := r.from.Shard.IndexFile; index != "" {
		if _, err := os.Stat(index); err != nil {
			f.Write("--index "+index, index) // it will be written
		} else {
			f.Read("--index "+index, index)
		}
	}
	if err := mounts.Claim(f, r.indexes); err != nil {
		return err
	}
	return f.Check()
}

// written returns the files that every command may write.
func written() *claim.Files {
	f := new(claim.Files)
	f.Standard(os.Stdout, os.Stderr)
	return f
}

// checkRead returns an error if a command that only reads shards would write to one of them.
func (f *shardFlags) checkRead(names []string) error {
	resolved, err := source.ResolveAll(names)
	if err != nil {
		return nil // opening it will fail with more to say
	}
	files := written()
	if files.Writes() {
		source.Claim(files, resolved, f.source())
	}
	return files.Check()
}

// checkFiles checks the files of pack, of which f has those that are written. It expands the arguments of --with.
func (o *packFlags) checkFiles(ctx context.Context, args []string, names []source.Name, f *claim.Files) error {
	args, with := slices.Clone(args), []source.Name(nil)
	for _, arg := range o.with {
		list, err := source.Expand(ctx, o.from.globals.stores, []string{arg})
		if err != nil {
			return fmt.Errorf("--with: %w", err)
		}
		resolved, err := source.ResolveAll(list)
		if err != nil {
			return fmt.Errorf("--with: %w", err)
		}
		o.joined, with, args = append(o.joined, list), append(with, resolved...), append(args, arg)
	}
	r := reads{args: args, names: append(with, names...), from: o.from.source()}
	r.from.Folder = new(folder.Options)
	r.named = map[string]string{"the file of --keys": o.keys, "the table of --captions": o.captions}
	return r.check(f)
}

// checkFiles checks the files of run.
func (o *runFlags) checkFiles(ctx context.Context, args []string, names []source.Name, j *job.Options) error {
	f := written()
	if err := claimOutputs(ctx, f, "-o", j.Output, j.Outputs); err != nil {
		return err
	}
	if err := claimOutputs(ctx, f, "--failed", j.Failed, j.FailedOutputs); err != nil {
		return err
	}
	if o.report != "" {
		shown := store.Redact(o.report)
		if err := store.MayCreate(j.Workspace.Source.Shard.Store, o.report); err != nil {
			return ui.WithHint(fmt.Errorf("--report %s: %w", shown, err), "write it to a file, and upload that")
		}
		f.Write("--report "+shown, o.report)
	}
	if o.scratch != "" && f.Writes() {
		f.Write("the checkpoint in --scratch "+o.scratch, filepath.Join(o.scratch, job.CheckpointFile))
	}
	r := reads{args: args, names: names, from: o.from.source(), named: map[string]string{"the file of --keys": o.keys}}
	for _, word := range o.argv {
		if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
			r.named["the command's argument "+word] = word
		}
	}
	return r.check(f)
}

// claimOutputs claims the files of an output or, if there is one for each source, of all.
func claimOutputs(ctx context.Context, f *claim.Files, flag string, o output.Options, each []string) error {
	if each == nil {
		return o.Claim(ctx, f, flag)
	}
	for _, o.Name = range each {
		if err := o.Claim(ctx, f, flag); err != nil {
			return err
		}
	}
	return nil
}

// checkFiles checks the files of index.
func (o *indexOptions) checkFiles(ctx context.Context, args, shards []string, beside *output.Options) error {
	f := written()
	for _, name := range shards {
		if err := beside.ClaimIndexes(ctx, f, name); err != nil {
			return err
		}
	}
	if !f.Writes() {
		return nil
	}
	names, err := source.ResolveAll(shards)
	if err != nil {
		return err
	}
	r := reads{args: args, names: names, from: o.from.source(), indexes: o.sidecar}
	r.from.Shard.NoIndex = r.from.Shard.NoIndex || o.sidecar
	r.named = map[string]string{"the index of --import": o.imported}
	return r.check(f)
}
