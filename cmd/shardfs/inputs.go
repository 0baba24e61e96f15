package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// inputs are what is packed, one after the other. Each is opened when it is its turn.
type inputs struct {
	list   []input
	kept   bool          // samples are looked at later, and in any order
	files  []os.FileInfo // of all shards that are read
	partly bool          // not all of what they hold is packed
}

// input is a shard, a mount, a directory or standard input.
type input interface {
	// open returns its samples. Kept says that they are written later, and in any order.
	open(ctx context.Context, kept bool) (iter.Seq2[pack.Sample, error], error)
	packed(all bool) error // told that it, or a part of it, is in an output; says what of it could not be read
	close() error          // closes what is open
}

// newInputs returns what names mean, which is all there.
func newInputs(u *ui.UI, names []string, o shard.Options) (*inputs, error) {
	in := new(inputs)
	streams := 0
	for _, name := range names {
		if name == "-" {
			if streams++; streams > 1 {
				return nil, ui.Usagef("-: standard input can be read only once")
			}
		}
		if name == "-" || pipe.Is(name) {
			in.list = append(in.list, &streamInput{name: name})
			continue
		}
		file, err := fileOf(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store.Redact(name), err)
		}
		if file == nil {
			in.list = append(in.list, &placeInput{ui: u, place: name})
		} else {
			in.list = append(in.list, &shardInput{ui: u, name: name, o: o})
			in.files = append(in.files, file)
		}
	}
	return in, nil
}

// fileOf returns what is known of a shard's file; nil for a mountpoint or a directory.
func fileOf(name string) (os.FileInfo, error) {
	path, err := store.Path(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err == nil {
		if info.IsDir() {
			info = nil
		}
		return info, nil
	}
	if place, placeErr := mounts.Absolute(path); placeErr == nil {
		if _, mounted, mountErr := mounts.At(place); mountErr == nil && mounted {
			return nil, nil // its server is gone
		}
	}
	return nil, bare(err)
}

// bare returns what an error says without the name of the file, which is known.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// one reports whether the end of the output may be a copy of that of the only input.
func (in *inputs) one() bool { return len(in.list) == 1 && !in.kept }

// samples yields the samples of all inputs. An input is closed when all that it has yielded is freed, unless its end may still
// be copied.
func (in *inputs) samples(ctx context.Context) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		for _, i := range in.list {
			samples, err := i.open(ctx, in.kept)
			if err != nil {
				yield(pack.Sample{}, err)
				return
			}
			users := 1
			release := func() error {
				if users--; users > 0 {
					return nil
				}
				return i.close()
			}
			for s, err := range samples {
				if in.kept && err == nil {
					users++
					s.Free = release
				}
				if !yield(s, err) || err != nil {
					return
				}
			}
			if !in.one() && !yield(pack.Sample{Free: release}, nil) {
				return
			}
		}
	}
}

// packed tells all inputs that they have been packed.
func (in *inputs) packed() error {
	var errs []error
	for _, i := range in.list {
		errs = append(errs, i.packed(!in.partly))
	}
	return errors.Join(errs...)
}

func (in *inputs) close() {
	for _, i := range in.list {
		i.close()
	}
}

// shardInput is a shard.
type shardInput struct {
	ui   *ui.UI
	name string
	o    shard.Options
	sh   *shard.Shard // nil: not open
	cut  error
}

func (i *shardInput) open(ctx context.Context, kept bool) (iter.Seq2[pack.Sample, error], error) {
	var err error
	o := i.o
	if kept {
		o.CacheBytes = keptCacheBytes
	}
	if i.sh, err = source.OpenShard(ctx, i.ui, i.name, o); err != nil {
		return nil, err
	}
	i.cut = cutOf(i.sh)
	b := namedBase(i.sh)
	return pack.Shard(b), nil
}

// keptCacheBytes is the memory for decoded pieces of each shard where many can be open.
const keptCacheBytes = 4 << 20

func (i *shardInput) packed(bool) error { return i.cut }

func (i *shardInput) close() error {
	sh := i.sh
	if i.sh = nil; sh == nil {
		return nil
	}
	return sh.Close()
}

// placeInput is a mountpoint or a directory of sample directories.
type placeInput struct {
	ui      *ui.UI
	place   string
	changes *mounts.Changes // of the mount; nil for a directory
	stamp   string          // of its changes when they were packed; "" where it is not known whether all were
	cut     error
	opened  io.Closer // nil: not open
}

func (i *placeInput) open(ctx context.Context, _ bool) (iter.Seq2[pack.Sample, error], error) {
	var err error
	i.changes, err = mounts.Open(ctx, i.place)
	if errors.Is(err, mounts.ErrNotMounted) {
		root, err := openTree(i.place)
		if err != nil {
			return nil, err
		}
		i.opened = root
		return i.notNone(pack.All(pack.Base{Name: i.place}, pack.Tree{FS: pack.RootFS(root)})), nil
	}
	if err != nil {
		return nil, err
	}
	i.opened, i.cut = i.changes, cutOf(i.changes.Shard)
	// What is written to a file that is mapped already need not change its times, so nobody knows then whether all has been
	// packed. What is mapped later changes them at the first write.
	if by := mounts.WritableMappings(i.changes.Scratch.Mountpoint()); by != "" {
		i.ui.Warn("%s: changes count as not packed, as a file is mapped by process %s", i.place, by)
	} else if i.stamp, err = i.changes.Stamp(); err != nil {
		return nil, err
	}
	return pack.All(namedBase(i.changes.Shard), i.changes), nil
}

// notNone refuses a directory in which there is nothing to be packed.
func (i *placeInput) notNone(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		none := true
		for s, err := range samples {
			none = none && s.Empty()
			if !yield(s, err) || err != nil {
				return
			}
		}
		if none {
			yield(pack.Sample{}, noSamples(i.place))
		}
	}
}

func (i *placeInput) packed(all bool) error {
	if all && i.stamp != "" {
		if err := i.changes.Scratch.MarkPacked(i.stamp); err != nil {
			return err
		}
	}
	return i.cut
}

func (i *placeInput) close() error {
	opened := i.opened
	if i.opened = nil; opened == nil {
		return nil
	}
	return opened.Close()
}

// streamInput is standard input, or what comes out of a pipe.
type streamInput struct {
	name   string
	pipe   *pipe.Command // nil: standard input, or not open
	stream *shard.Stream // nil: not open
}

func (i *streamInput) open(ctx context.Context, kept bool) (iter.Seq2[pack.Sample, error], error) {
	in, err := openStream(ctx, i.name, &i.pipe)
	if err != nil {
		return nil, err
	}
	if i.stream, err = shard.NewStream(in, pipe.Shown(i.name), os.TempDir()); err != nil {
		return nil, err
	}
	return i.samples, nil
}

func (i *streamInput) samples(yield func(pack.Sample, error) bool) {
	var b pack.Base
	for x, err := range i.stream.Samples() {
		if err != nil {
			yield(pack.Sample{}, err)
			return
		}
		if b.Index != nil {
			end := pack.End(b)
			end.Free = func() error {
				i.stream.Free(end.Base.Index.End())
				return nil
			}
			if !yield(end, nil) {
				return
			}
		}
		b = pack.Base{Name: i.stream.Name, Index: x, Plain: i.stream}
		if x.Samples() > 0 && !yield(pack.Whole(b, x.Sample(0)), nil) {
			return
		}
	}
	b.Size = i.stream.Size() // which is known only now
	yield(pack.End(b), nil)
}

func (*streamInput) packed(bool) error { return nil }

func (i *streamInput) close() error {
	if i.pipe != nil {
		i.pipe.Abort()
	}
	stream := i.stream
	if i.stream = nil; stream == nil {
		return nil
	}
	return stream.Close()
}

// namedBase is baseOf for errors that name the shard.
func namedBase(sh *shard.Shard) pack.Base {
	b := baseOf(sh)
	b.Name = sh.Name
	return b
}

// cutOf says, in the end, that a shard was cut.
func cutOf(sh *shard.Shard) error {
	if sh.Cut == "" {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", sh.Name, errPartly, sh.Cut)
}
