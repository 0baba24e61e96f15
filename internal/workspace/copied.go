package workspace

import (
	"context"
	"errors"
	"iter"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/ramdisk"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// copied copies the samples of a shard into real directories.
type copied struct {
	dir    *scratch.Scratch
	copies *extractor
	src    *source.Source
}

// Tasks implements kind.
func (c *copied) Tasks() iter.Seq2[*Task, error] {
	return c.tasks(func(t *copiedPlace) place { return t })
}

// tasks yields a Task for each sample in the index. Of makes its place from the place of its copy.
func (c *copied) tasks(of func(*copiedPlace) place) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		base := c.src.Base()
		for n := range base.Index.Samples() {
			if !yield(c.task(base, base.Index.Sample(n), of), nil) {
				return
			}
		}
	}
}

// task returns the Task for a sample.
func (c *copied) task(base pack.Base, s index.Sample, of func(*copiedPlace) place) *Task {
	t := &Task{
		Number: s.Number, Key: s.Key, Source: c.src.Name, Base: base,
		Before: pack.Dir{Path: s.Path, Sample: &s, Untouched: true},
	}
	t.place = of(&copiedPlace{copies: c.copies, base: base, source: c.src.Name, sample: s})
	return t
}

// Finish implements kind.
func (c *copied) Finish(_ context.Context, w *pack.Writer) error { return w.Rest(c.src.Base()) }

// Err implements kind.
func (*copied) Err() error { return nil }

// Close implements kind.
func (c *copied) Close() error { return errors.Join(c.src.Close(), c.copies.Close(), c.dir.Remove()) }

// copiedPlace is the directory of a copied sample.
type copiedPlace struct {
	copies *extractor
	base   pack.Base
	source string
	sample index.Sample
	dir    *sampleDir // the copy; nil: none

	use    ramdisk.Use // of the command in the copy
	onDisk bool        // the copy must not be in memory
}

// Prepare implements place.
func (p *copiedPlace) Prepare(context.Context, int) (dir string, err error) {
	if err := p.Free(); err != nil { // the copy of the previous attempt
		return "", err
	}
	to := p.copies
	if p.use = (ramdisk.Use{}); !p.onDisk && to.inMemory != nil && to.memory.Room(p.size()) {
		to, p.use = to.inMemory, to.memory.Begin()
	}
	p.dir, err = to.extract(p.base, p.source, p.sample)
	if to != p.copies && errors.Is(err, unix.ENOSPC) {
		p.use = ramdisk.Use{}
		p.dir, err = p.copies.extract(p.base, p.source, p.sample)
	}
	if err != nil {
		return "", err
	}
	return p.dir.dir, nil
}

// size returns how many bytes the copy takes, at most.
func (p *copiedPlace) size() int64 {
	x := p.base.Index
	return x.Offset(p.sample.End) - x.Offset(p.sample.Start)
}

// Lacked implements place.
func (p *copiedPlace) Lacked(failed bool) bool { return p.use.Lacked(failed) }

// Leave implements place.
func (p *copiedPlace) Leave() {
	p.onDisk = true
	p.Free() // if that fails, so does Prepare
}

// State implements place.
func (p *copiedPlace) State() (pack.Dir, bool, error) { return p.dir.state() }

// Discard implements place.
func (p *copiedPlace) Discard() error { return p.Free() }

// Free implements place.
func (p *copiedPlace) Free() error {
	if p.dir == nil {
		return nil
	}
	dir := p.dir
	p.dir = nil
	return dir.remove()
}
