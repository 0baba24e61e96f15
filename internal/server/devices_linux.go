package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shardfs/shardfs/internal/guard"
)

// devices are the files from which EROFS reads the bytes of shards.
type devices struct {
	paths   []string     // of each shard; "" if it is guarded
	guard   *guard.Guard // nil if no shard is
	guarded []int        // the places in paths of those that are
	clones  []*os.File   // of shards that cannot be
}

// devices returns, for each shard, the shard itself if that can be guarded, else a clone of it, else the file with its
// bytes that this process serves in a directory.
func (b *kernelBase) devices(served string) *devices {
	d := &devices{paths: make([]string, len(b.parts))}
	if b.early != nil {
		d.guard = b.early(&b.parts[0])
	}
	if d.guard != nil {
		d.guarded = []int{0}
	} else {
		b.guard(d, served)
	}
	for _, i := range d.guarded {
		fd, _ := b.parts[i].shard.Descriptor()
		b.parts[i].image.ReadByKernel(fd)
	}
	return d
}

// guard guards the shards that can be, and has clones or served files take the place of the others.
func (b *kernelBase) guard(d *devices, served string) {
	var held []*guard.File
	for i, p := range b.parts {
		d.paths[i] = filepath.Join(served, bytesFile(i))
		f, why := p.hold()
		if f != nil {
			held, d.guarded = append(held, f), append(d.guarded, i)
		} else if why != nil {
			b.clone(d, i, why)
		}
	}
	if len(held) == 0 {
		return
	}
	var err error
	if d.guard, err = guard.Start(context.Background(), held, b.guardian); err != nil {
		for _, i := range d.guarded {
			b.clone(d, i, err)
		}
		d.guarded = nil
	}
}

// hold returns the shard to guard; nil if it cannot be guarded, or nil with nil if the kernel is not to read it at all.
func (p *kernelPart) hold() (*guard.File, error) {
	fd, ok := p.shard.Descriptor()
	if !ok || !p.image.InShard() {
		return nil, nil
	}
	f, err := guard.Hold(fd)
	if err != nil {
		return nil, err
	}
	if !p.isUnchanged() {
		return nil, f.Close()
	}
	return f, nil
}

// isUnchanged reports whether the shard is the version that was opened. Another one is left to this process, which tells
// them apart at each read.
func (p *kernelPart) isUnchanged() bool { return p.shard.Unchanged(context.Background()) == nil }

// clone has a clone of a shard read, if it can be cloned, because the shard cannot be guarded.
func (b *kernelBase) clone(d *devices, i int, why error) {
	p := &b.parts[i]
	b.detail("%s: the kernel does not read it itself: %v", p.shard.Name, why)
	fd, _ := p.shard.Descriptor()
	f, err := guard.Clone(fd)
	switch {
	case err != nil:
	case p.isUnchanged():
		b.detail("%s: the kernel reads a clone of it", p.shard.Name)
		d.paths[i] = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
		d.clones = append(d.clones, f)
		p.image.ReadByKernel(int(f.Fd()))
	default:
		f.Close()
	}
}

// all returns the paths of the devices, when the guard of those that have one is ready.
func (d *devices) all() []string {
	if d.guard == nil {
		return d.paths
	}
	for k, path := range d.guard.Devices() {
		d.paths[d.guarded[k]] = path
	}
	return d.paths
}

// opened must be called when EROFS is mounted from the devices.
func (d *devices) opened(mountpoint string) error {
	if d.guard == nil {
		return nil
	}
	return d.guard.Opened(mountpoint)
}

// close ends the use of the devices.
func (d *devices) close() error {
	var errs []error
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	for _, f := range d.clones {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
