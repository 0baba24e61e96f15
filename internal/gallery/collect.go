package gallery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/pack"
)

// samples are the samples of a source at one moment. They do not change, and are safe for concurrent use.
type samples interface {
	// count returns how many there are.
	count() int
	// entry returns the sample with a number, from 0.
	entry(number int) (entry, error)
	// unchanged returns the index and the number in it of a sample that is as in its shard; false for others.
	unchanged(number int) (x *index.Index, ok bool)
	// open opens a member: as it is, or before the changes of a mount.
	open(ctx context.Context, m *member, before bool) (*content, error)
}

// errNotBefore means that a member is not in the shard of a mount.
var errNotBefore = &requestError{404, "the mount's shard does not have it"}

// shardSamples are the samples of a shard.
type shardSamples struct {
	sh *shard.Shard
	x  *index.Index
}

func (s shardSamples) count() int { return s.x.Samples() }

func (s shardSamples) entry(number int) (entry, error) {
	e := memberEntry(s.x, number)
	return e, s.x.Err()
}

func (s shardSamples) unchanged(int) (*index.Index, bool) { return s.x, true }

func (s shardSamples) open(ctx context.Context, m *member, _ bool) (*content, error) {
	return openRow(ctx, s.sh, s.x, m.row)
}

// mountSamples are the samples of a mount: those of its shard, deleted ones included, and then the added ones.
type mountSamples struct {
	shardSamples
	base  pack.Base
	state *overlay.State
	added []pack.Sample
}

// newMountSamples returns the samples of a mount as they are now.
func newMountSamples(c *mounts.Changes) (*mountSamples, error) {
	state, err := c.State()
	if err != nil {
		return nil, err
	}
	m := &mountSamples{
		shardSamples: shardSamples{c.Shard, c.Shard.Index}, base: source.BaseOf(c.Shard), state: state,
	}
	for _, dir := range state.Added() {
		all, err := pack.Samples(m.base, dir)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if !s.Empty() {
				m.added = append(m.added, s)
			}
		}
	}
	return m, nil
}

func (m *mountSamples) count() int { return m.x.Samples() + len(m.added) }

func (m *mountSamples) unchanged(number int) (*index.Index, bool) {
	return m.x, number < m.x.Samples() && !m.state.Changed(number)
}

func (m *mountSamples) entry(number int) (entry, error) {
	if number >= m.x.Samples() {
		return packedEntry(m.added[number-m.x.Samples()], added), nil
	}
	e := memberEntry(m.x, number)
	if !m.state.Changed(number) {
		return e, m.x.Err()
	}
	dir, ok, err := m.state.Dir(number)
	if err != nil {
		return e, err
	}
	if !ok {
		e.change = deleted
		for i := range e.members {
			e.members[i].change = deleted
		}
		return e, nil
	}
	dir.Dirs = nil // samples of their own
	now, err := pack.Samples(m.base, dir)
	if err != nil {
		return e, err
	}
	e.merge(now)
	return e, nil
}

// merge makes an entry of a shard that of the sample as it is now. What a mount has deleted stays, as such.
func (e *entry) merge(now []pack.Sample) {
	was := e.members
	e.members = nil
	for _, s := range now {
		if s.Key != e.key {
			e.key, e.from, e.change = s.Key, e.key, renamed
		}
		for _, m := range s.Members() {
			i := slices.IndexFunc(was, func(old member) bool { return old.row == m.Row })
			switch {
			case m.Row == pack.Changed || i < 0:
				e.members = append(e.members, fileMember(m, added))
				e.change = changed
			case m.File.Row == pack.Changed:
				e.members = append(e.members, fileMember(m, changed))
				e.change = changed
			default:
				e.members = append(e.members, was[i])
			}
			if i >= 0 {
				was = slices.Delete(was, i, i+1)
			}
		}
	}
	for _, m := range was {
		m.change = deleted
		e.members = append(e.members, m)
		e.change = changed
	}
}

// fileMember returns a member that is a file.
func fileMember(m pack.Member, change string) member {
	row := m.Row
	if row == pack.Changed {
		row = none
	}
	file := m.File
	return member{ext: m.Ext, size: file.Size, mtime: file.ModTime, change: change, row: row, file: &file}
}

// packedEntry returns the entry of a sample that is of no shard.
func packedEntry(s pack.Sample, change string) entry {
	e := entry{key: s.Key, change: change}
	for _, m := range s.Members() {
		e.members = append(e.members, fileMember(m, change))
	}
	return e
}

func (m *mountSamples) open(ctx context.Context, of *member, before bool) (*content, error) {
	switch {
	case before && of.row == none:
		return nil, errNotBefore
	case before || of.file == nil:
		return openRow(ctx, m.sh, m.x, of.row)
	}
	return openFile(ctx, of.file)
}

// fileSamples are the samples of a directory. Their keys and members are in memory.
type fileSamples struct {
	all []pack.Sample
}

func (f *fileSamples) count() int { return len(f.all) }

func (f *fileSamples) entry(number int) (entry, error) {
	e := packedEntry(f.all[number], "")
	for i := range e.members {
		m := &e.members[i]
		if m.mtime.IsZero() && m.file.Size == 0 { // a plain folder lists names alone
			if err := m.stat(); err != nil {
				return e, err
			}
		}
	}
	return e, nil
}

// stat finds size and time of a file.
func (m *member) stat() error {
	f, err := m.file.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // shown without them; opening it says so
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		m.size, m.mtime = info.Size(), info.ModTime()
	}
	return err
}

func (f *fileSamples) unchanged(int) (*index.Index, bool) { return nil, false }

func (f *fileSamples) open(ctx context.Context, m *member, before bool) (*content, error) {
	if before {
		return nil, errNotBefore
	}
	return openFile(ctx, m.file)
}

// mostFiles is how many samples of a directory are shown: names of files are in memory.
const mostFiles = 1 << 20

// list lists the samples of a source that has no index.
func list(ctx context.Context, src *source.Source) (*fileSamples, error) {
	f := new(fileSamples)
	for s, err := range src.Samples() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		if s.Empty() {
			continue
		}
		if len(f.all) == mostFiles {
			return nil, fmt.Errorf("%s: over %d samples: only a shard can have more: %w", src.Name, mostFiles,
				os.ErrInvalid)
		}
		f.all = append(f.all, s)
	}
	return f, nil
}
