package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/erofs"
	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/view"
)

// kernelBase shows shards by EROFS, so that the kernel itself looks up names, lists directories and caches contents. This
// process serves files by FUSE: the names, an image that is computed from indexes as the kernel reads it, and the plain bytes
// of each shard, in which the image says where each member is. A plain shard is read by the kernel itself instead, as far
// as it can be guarded against changes.
type kernelBase struct {
	names      *erofs.Names
	parts      []kernelPart
	scratch    *scratch.Scratch
	attributes int // of the mount, as for fsmount(2)
	guardian   guard.Command
	early      func(p *kernelPart) *guard.Guard // a guard of the only shard, if it was begun; nil of many
	log        func(error)
	detail     func(format string, args ...any)
}

// kernelPart is a shard of a kernelBase: the only one, or one of many.
type kernelPart struct {
	image *erofs.Image
	shard *shard.Shard
	entry view.Entry // its directory, in use, if it is one of many
}

// newKernelBase returns the base that shows shards by EROFS. The error is erofs.ErrUnsuited if that cannot be, or if they
// would not be listed as by FUSE and the user has not asked for it.
func (s *server) newKernelBase(set *view.Set, o fusefs.Options) (base, error) {
	o.ReadOnly = true
	flags, err := o.Flags()
	if err != nil {
		return nil, err
	}
	if !overlayfs.MayMount() {
		return nil, fmt.Errorf("%w: %w", erofs.ErrUnavailable, unix.EPERM)
	}
	b := &kernelBase{
		scratch: s.scratch, attributes: mountAttributes(flags), guardian: s.guardian(),
		log: o.Log, detail: s.ui.Detail,
	}
	image := erofs.Options{Mode: 0o700, Extended: !erofs.ReadsShortTimes()}
	if o.AllowOther {
		image.Mode = 0o755
	}
	if set.Only() == nil {
		return b, s.showMany(b, set, image)
	}
	return b, s.showOne(b, set.Only(), image)
}

// showOne has a base show a shard.
func (s *server) showOne(b *kernelBase, v *view.View, o erofs.Options) error {
	if err := s.mayShow(v); err != nil {
		return err
	}
	_, o.Verify = v.Shard.Descriptor()
	image, err := erofs.New(v, o)
	if err != nil {
		return err
	}
	b.names, b.parts = image.Names(), []kernelPart{{image: image, shard: v.Shard}}
	b.guardian.Args, b.early = guardianOf(v.Shard.Name), s.takeEarly
	return s.suits(v, image, s.Names[0])
}

// mayShow returns ErrUnsuited if EROFS cannot show a shard.
func (s *server) mayShow(v *view.View) error {
	switch {
	case v.Growing():
		return unsuited(v, "it is still being indexed")
	case v.Shard.Foreign != "":
		return unsuited(v, "its index is of another tool")
	}
	return nil
}

// suits returns ErrUnsuited if EROFS would not show a shard as FUSE does, unless the user has asked for EROFS.
func (s *server) suits(v *view.View, image *erofs.Image, name string) error {
	switch {
	case s.Base == BaseKernel:
	case !image.Order().Ascending:
		return unsuited(v, "it would not be listed in the order of the tar")
	case v.Shard.Index.HasHoles():
		return unsuited(v, "it has holes, and EROFS counts their blocks")
	case store.IsRemote(name):
		return unsuited(v, "the kernel would read ahead what is not needed")
	}
	return nil
}

// unsuited returns an ErrUnsuited.
func unsuited(v *view.View, why string) error {
	return fmt.Errorf("%s: %w: %s", v.Shard.Name, erofs.ErrUnsuited, why)
}

// mountAttributes converts flags of mount(2) to those of fsmount(2).
func mountAttributes(flags uintptr) (attributes int) {
	for _, f := range []struct {
		flag      uintptr
		attribute int
	}{
		{unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID}, {unix.MS_NODEV, unix.MOUNT_ATTR_NODEV},
		{unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC}, {unix.MS_NOATIME, unix.MOUNT_ATTR_NOATIME},
		{unix.MS_NODIRATIME, unix.MOUNT_ATTR_NODIRATIME},
	} {
		if flags&f.flag != 0 {
			attributes |= f.attribute
		}
	}
	return attributes
}

// Mount implements base.
func (b *kernelBase) Mount(dir string) (liveMount, error) {
	m, err := b.mount(dir)
	if err != nil {
		b.release()
		return nil, err
	}
	return m, nil
}

// release ends the use of shards.
func (b *kernelBase) release() {
	for _, p := range b.parts {
		p.entry.Release()
	}
}

func (b *kernelBase) mount(dir string) (liveMount, error) {
	at := b.scratch.Image()
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	d := b.devices(at) // first, because a guardian needs some milliseconds to start
	files, err := fusefs.MountFiles(b.files(), at, fusefs.Options{Source: b.scratch.Dir, Log: b.log})
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	err = b.mountFrom(at, d, dir)
	// EROFS holds the files that it has opened, so they are served until it has ended.
	if detached := detach(at); err == nil && detached != nil {
		err = errors.Join(detached, detach(dir))
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	m := &kernelMount{files, b.names, dir, d, make(chan struct{})}
	go m.report(b)
	return m, nil
}

// files returns the files to serve: the names, and the bytes of each shard at the place that is the number of its device.
func (b *kernelBase) files() []fusefs.NamedFile {
	all := []fusefs.NamedFile{{Name: scratch.NamesFile, File: b.names}}
	for i, p := range b.parts {
		all = append(all, fusefs.NamedFile{Name: bytesFile(i), File: partBytes{p.image.Bytes(), p.entry}})
	}
	return all
}

// bytesFile returns the name of the file with the bytes of a shard.
func bytesFile(i int) string {
	if i == 0 {
		return scratch.BytesFile
	}
	return fmt.Sprintf("%s.%d", scratch.BytesFile, i)
}

// partBytes is the file with the bytes of a shard.
type partBytes struct {
	*erofs.Bytes
	entry view.Entry
}

// ReadAt implements fusefs.File.
func (b partBytes) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	b.entry.Touch()
	return b.Bytes.ReadAt(ctx, p, off)
}

// mountFrom mounts EROFS at a directory from the files that are served at another one.
func (b *kernelBase) mountFrom(served string, d *devices, dir string) error {
	err := erofs.Mount(dir, erofs.MountOptions{
		Names: filepath.Join(served, scratch.NamesFile), Devices: d.all(), Attributes: b.attributes,
	})
	if err != nil {
		return err
	}
	if err = d.opened(dir); err != nil {
		return errors.Join(err, detach(dir))
	}
	return nil
}

// detach detaches the last mount at a place, even if it is in use.
func detach(place string) error { return unix.Unmount(place, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) }

// kernelMount is the mount of a kernelBase.
type kernelMount struct {
	files  *fusefs.Server
	names  *erofs.Names
	dir    string
	device *devices
	ended  chan struct{} // closed when the mount has ended
}

// report tells the log of a base when a shard is not read any more because it was opened for writing.
func (m *kernelMount) report(b *kernelBase) {
	if m.device.guard == nil {
		return
	}
	for {
		select {
		case i := <-m.device.guard.Broken():
			b.log(b.broken(m.device.guarded[i]))
		case <-m.ended:
			return
		}
	}
}

// broken returns the error that a shard was opened for writing.
func (b *kernelBase) broken(part int) error {
	err := fmt.Errorf("%w: %w, so it is not read any more", store.ErrChanged, guard.ErrBroken)
	if len(b.parts) > 1 {
		err = fmt.Errorf("%s: %w", b.parts[part].shard.Name, err)
	}
	return err
}

// Unmount implements liveMount.
func (m *kernelMount) Unmount() error { return fusefs.UnmountOrDetach(m.dir) }

// Wait implements liveMount, and ends the guard of the shards.
func (m *kernelMount) Wait() {
	m.files.Wait()
	m.names.Close()
	close(m.ended)
	m.device.close()
}
