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

// kernelBase shows a shard by EROFS, so that the kernel itself looks up names, lists directories and caches contents. This
// process serves two files by FUSE: the names, an image that is computed from the index as the kernel reads it, and the
// plain bytes of the shard, in which the image says where each member is. A plain shard is read by the kernel itself
// instead, as far as it can be guarded against changes.
type kernelBase struct {
	image      *erofs.Image
	shard      *shard.Shard
	scratch    *scratch.Scratch
	attributes int // of the mount, as for fsmount(2)
	guardian   guard.Command
	log        func(error)
	detail     func(format string, args ...any)
}

// newKernelBase returns the base that shows a shard by EROFS. The error is erofs.ErrUnsuited if that cannot be, or if the
// shard would not be listed as by FUSE and the user has not asked for it.
func (s *server) newKernelBase(set *view.Set, o fusefs.Options) (base, error) {
	o.ReadOnly = true
	flags, err := o.Flags()
	if err != nil {
		return nil, err
	}
	if !overlayfs.MayMount() {
		return nil, fmt.Errorf("%w: %w", erofs.ErrUnavailable, unix.EPERM)
	}
	v := set.Only()
	unsuited := func(why string) error { return fmt.Errorf("%s: %w: %s", v.Shard.Name, erofs.ErrUnsuited, why) }
	switch {
	case v.Growing():
		return nil, unsuited("it is still being indexed")
	case v.Shard.Foreign != "":
		return nil, unsuited("its index is of another tool")
	}
	b := &kernelBase{
		shard: v.Shard, scratch: s.scratch, attributes: mountAttributes(flags),
		guardian: guard.Command{Args: []string{"of", v.Shard.Name}, Env: s.env}, log: o.Log, detail: s.ui.Detail,
	}
	if s.Private {
		b.guardian.Private = s.scratch.Dir
	}
	_, inKernel := v.Shard.Descriptor()
	mode := uint32(0o700)
	if o.AllowOther {
		mode = 0o755
	}
	image := erofs.Options{Mode: mode, Extended: !erofs.ReadsShortTimes(), Verify: inKernel}
	if b.image, err = erofs.New(v, image); err != nil {
		return nil, err
	}
	if s.Base == BaseKernel {
		return b, nil
	}
	switch {
	case !b.image.Order().Ascending:
		return nil, unsuited("it would not be listed in the order of the tar")
	case v.Shard.Index.HasHoles():
		return nil, unsuited("it has holes, and EROFS counts their blocks")
	case store.IsRemote(s.Names[0]):
		return nil, unsuited("the kernel would read ahead what is not needed")
	}
	return b, nil
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
	at := b.scratch.Image()
	if err := os.Mkdir(at, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	d := b.device(filepath.Join(at, scratch.BytesFile)) // first, because a guardian needs some milliseconds to start
	files, err := fusefs.MountFiles([]fusefs.NamedFile{
		{Name: scratch.NamesFile, File: b.image.Names()}, {Name: scratch.BytesFile, File: b.image.Bytes()},
	}, at, fusefs.Options{Source: b.scratch.Dir, Log: b.log})
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
	m := &kernelMount{files, dir, d, make(chan struct{})}
	go m.report(b.log)
	return m, nil
}

// mountFrom mounts EROFS at a directory from the files that are served at another one.
func (b *kernelBase) mountFrom(served string, d device, dir string) error {
	err := erofs.Mount(dir, erofs.MountOptions{
		Names: filepath.Join(served, scratch.NamesFile), Devices: []string{d.path}, Attributes: b.attributes,
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

// device is the file from which EROFS reads the bytes of a shard.
type device struct {
	path  string
	guard *guard.Guard // nil if it needs none
	clone *os.File     // of the shard; nil if it is not read
}

// device returns the shard itself if that can be guarded, else a clone of it, else the file with its bytes that this
// process serves.
func (b *kernelBase) device(served string) device {
	fd, ok := b.shard.Descriptor()
	if !ok || !b.image.InShard() {
		return device{path: served}
	}
	// A version that is not the one that was opened is left to this process, which tells them apart at each read.
	unchanged := func() bool { return b.shard.Unchanged(context.Background()) == nil }
	g, err := guard.Start(context.Background(), fd, b.guardian)
	if err == nil && unchanged() {
		return device{path: g.Device(), guard: g}
	} else if err == nil {
		g.Close()
		return device{path: served}
	}
	b.detail("%s: the kernel does not read it itself: %v", b.shard.Name, err)
	f, err := guard.Clone(fd)
	if err == nil && unchanged() {
		b.detail("%s: the kernel reads a clone of it", b.shard.Name)
		return device{path: fmt.Sprintf("/proc/self/fd/%d", f.Fd()), clone: f}
	} else if err == nil {
		f.Close()
	}
	return device{path: served}
}

// opened must be called when EROFS is mounted from the device.
func (d device) opened(mountpoint string) error {
	if d.guard == nil {
		return nil
	}
	return d.guard.Opened(mountpoint)
}

// close ends the use of the device.
func (d device) close() error {
	switch {
	case d.guard != nil:
		return d.guard.Close()
	case d.clone != nil:
		return d.clone.Close()
	}
	return nil
}

// kernelMount is the mount of a kernelBase.
type kernelMount struct {
	files  *fusefs.Server
	dir    string
	device device
	ended  chan struct{} // closed when the mount has ended
}

// report tells log when the shard is not read any more because it was opened for writing.
func (m *kernelMount) report(log func(error)) {
	if m.device.guard == nil {
		return
	}
	select {
	case <-m.device.guard.Broken():
		log(fmt.Errorf("%w: %w, so it is not read any more", store.ErrChanged, guard.ErrBroken))
	case <-m.ended:
	}
}

// Unmount implements liveMount.
func (m *kernelMount) Unmount() error { return fusefs.UnmountOrDetach(m.dir) }

// Wait implements liveMount, and ends the guard of the shard.
func (m *kernelMount) Wait() {
	m.files.Wait()
	close(m.ended)
	m.device.close()
}
