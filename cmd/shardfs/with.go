package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// others are the shards whose members are added to samples.
type others []*other

type other struct {
	pack.Join
	sh   *shard.Shard
	file os.FileInfo
}

// openOthers opens the shards of --with.
func openOthers(ctx context.Context, u *ui.UI, names []string, o shard.Options) (list others, err error) {
	for _, name := range names {
		sh, err := source.OpenShard(ctx, u, name, o)
		if err == nil {
			list = append(list, &other{Join: pack.Join{Base: namedBase(sh)}, sh: sh})
			list[len(list)-1].file, err = fileOf(name)
		}
		if err != nil {
			list.close()
			return nil, fmt.Errorf("--with: %w", err)
		}
	}
	return list, nil
}

// join returns samples with what the shards have for them.
func (l others) join(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	for _, o := range l {
		samples = o.Apply(samples)
	}
	return samples
}

// joined tells which samples had no partner. It returns what of the shards could not be read.
func (l others) joined(u *ui.UI) error {
	var cuts []error
	for _, o := range l {
		if o.Alone > 0 {
			u.Warn("%s: nothing there for %s", o.Name, ui.Count(o.Alone, "sample"))
		}
		if n := o.Unused(); n > 0 {
			u.Warn("%s: %s added to none, and left out", o.Name, ui.Count(n, "sample"))
		}
		cuts = append(cuts, cutOf(o.sh))
	}
	return errors.Join(cuts...)
}

// files returns what is known of the shards' files.
func (l others) files() (files []os.FileInfo) {
	for _, o := range l {
		files = append(files, o.file)
	}
	return files
}

func (l others) close() {
	for _, o := range l {
		o.sh.Close()
	}
}
