package workspace

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// inPlace is a directory of sample directories, such as a mount. Changes by commands stay there, and Finish packs the
// directory as it is then.
type inPlace struct {
	dir     string // absolute
	src     *source.Source
	skipped map[string]bool // paths of the samples that are left out
}

func openInPlace(ctx context.Context, n source.Name, o Options) (*Workspace, error) {
	dir, err := filepath.Abs(n.Path)
	if err != nil {
		return nil, err
	}
	src, err := source.Open(ctx, n, o.Source)
	if err != nil {
		return nil, err
	}
	p := &inPlace{dir: dir, src: src, skipped: make(map[string]bool)}
	return &Workspace{Name: dir, Witness: src.Witness(), kind: p}, nil
}

// Tasks implements kind.
func (p *inPlace) Tasks() iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		number := 0
		for top, err := range p.src.Dirs.Dirs() {
			if err != nil {
				yield(nil, err)
				return
			}
			for d := range sampleDirs(top) {
				if !yield(p.task(d, number), nil) {
					return
				}
				number++
			}
		}
		if number == 0 && p.src.Changes == nil {
			yield(nil, fmt.Errorf("%s: %w", p.dir, source.ErrNoSamples))
		}
	}
}

// task returns the Task for the sample in a directory.
func (p *inPlace) task(d pack.Dir, number int) *Task {
	t := &Task{
		Number: number, Key: d.Path, Source: p.dir, Within: p.dir, skip: func() { p.skipped[d.Path] = true },
	}
	if d.Sample != nil {
		t.Source = p.src.Shard.Name
	}
	key, err := pack.Key(p.src.Base(), d)
	if err == nil {
		t.Key = key
	}
	// Other users may have written the text. It becomes an environment variable, so it must be short and without a NUL.
	text, ok, _ := d.Text(index.SourceFile, index.MaxKey+1)
	if ok && len(text) <= index.MaxKey && !strings.Contains(text, "\x00") {
		t.Source = text
	}
	t.place = existing{filepath.Join(p.dir, filepath.FromSlash(d.Path)), err}
	return t
}

// sampleDirs yields those of a directory and its subdirectories that are samples.
func sampleDirs(d pack.Dir) iter.Seq[pack.Dir] {
	return func(yield func(pack.Dir) bool) {
		isSample := d.Sample != nil || d.Path != "" && source.HasSample(d)
		if isSample && !yield(d) {
			return
		}
		for _, sub := range d.Dirs {
			for sample := range sampleDirs(sub) {
				if !yield(sample) {
					return
				}
			}
		}
	}
}

// Finish implements kind.
func (p *inPlace) Finish(ctx context.Context, w *pack.Writer) error {
	return pack.Pack(ctx, w, pack.All(p.src.Base(), p))
}

// Dirs yields the directories without those of skipped samples.
func (p *inPlace) Dirs() iter.Seq2[pack.Dir, error] {
	return func(yield func(pack.Dir, error) bool) {
		for d, err := range p.src.Dirs.Dirs() {
			if !p.skipped[d.Path] && !yield(p.withoutSkipped(d), err) {
				return
			}
		}
	}
}

func (p *inPlace) withoutSkipped(d pack.Dir) pack.Dir {
	var left []pack.Dir
	for _, sub := range d.Dirs {
		if !p.skipped[sub.Path] {
			left = append(left, p.withoutSkipped(sub))
		}
	}
	d.Dirs = left
	return d
}

// Err implements kind.
func (p *inPlace) Err() error {
	if p.src.Changes != nil && !p.src.Changes.Alive() {
		return fmt.Errorf("%s: %w", p.dir, mounts.ErrDead)
	}
	return nil
}

// Close implements kind.
func (p *inPlace) Close() error { return p.src.Close() }

// existing is the directory of a sample that is used in place. Finish packs it.
type existing struct {
	dir string
	err error // why its sample has no key; else nil
}

// Prepare implements place.
func (e existing) Prepare(context.Context, int) (string, error) { return e.dir, e.err }

// State implements place.
func (existing) State() (pack.Dir, bool, error) { return pack.Dir{}, false, nil }

// Lacked implements place.
func (existing) Lacked(bool) bool { return false }

// Leave implements place.
func (existing) Leave() {}

// Discard implements place.
func (existing) Discard() error { return nil }

// Free implements place.
func (existing) Free() error { return nil }
