package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// weakFS is a program for stories: it mounts a directory at another one without what some file systems lack, until
// that is unmounted.
//
//	exec weakfs -no flock,dirsync src mnt &
//	eventually test -e mnt/file
//
// The lacks are flock (ENOSYS, as Lustre), nolocks (ENOLCK, as NFS without a lock daemon), nfs (a descriptor that is
// open for reading only cannot be locked exclusively, EBADF), link, rename (its flags), tmpfile, chmod, dirsync
// (EINVAL, as CIFS) and direio (EIO, as DrvFs).
func weakFS() {
	lacks := flag.String("no", "", "")
	flag.Parse()
	no := make(map[string]bool)
	for lack := range strings.SplitSeq(*lacks, ",") {
		no[lack] = true
	}
	root := &fs.LoopbackRoot{Path: flag.Arg(0)}
	top := &weakNode{&fs.LoopbackNode{RootData: root}, no}
	root.RootNode = top
	server, err := fs.Mount(flag.Arg(1), top, &fs.Options{MountOptions: fuse.MountOptions{
		Name: "weakfs", EnableLocks: true, DirectMount: true,
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server.Wait()
}

// weakNode is a file or directory of a weakFS.
type weakNode struct {
	*fs.LoopbackNode
	no map[string]bool
}

// WrapChild implements fs.NodeWrapChilder.
func (n *weakNode) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &weakNode{child.(*fs.LoopbackNode), n.no}
}

// Link implements fs.NodeLinker.
func (n *weakNode) Link(
	ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut,
) (*fs.Inode, syscall.Errno) {
	if n.no["link"] {
		return nil, unix.EPERM
	}
	return n.LoopbackNode.Link(ctx, target, name, out)
}

// Rename implements fs.NodeRenamer.
func (n *weakNode) Rename(
	ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32,
) syscall.Errno {
	if n.no["rename"] && flags != 0 {
		return unix.EINVAL
	}
	return n.LoopbackNode.Rename(ctx, name, parent, newName, flags)
}

// Setattr implements fs.NodeSetattrer.
func (n *weakNode) Setattr(
	ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut,
) syscall.Errno {
	if _, ok := in.GetMode(); ok && n.no["chmod"] {
		return unix.EPERM
	}
	return n.LoopbackNode.Setattr(ctx, f, in, out)
}

// OpendirHandle implements fs.NodeOpendirHandler.
func (n *weakNode) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	stream, ok := f.(dirStream)
	if !ok {
		return f, fuseFlags, errno
	}
	d := weakDir{dirStream: stream}
	switch {
	case n.no["dirsync"]:
		d.synced = unix.EINVAL
	case n.no["direio"]:
		d.synced = unix.EIO
	}
	return d, fuseFlags, errno
}

// dirStream is an open directory.
type dirStream interface {
	fs.FileReaddirenter
	fs.FileSeekdirer
	fs.FileReleasedirer
}

// weakDir is an open directory of a weakFS.
type weakDir struct {
	dirStream
	synced syscall.Errno // the result of fsync
}

// Fsyncdir implements fs.FileFsyncdirer.
func (d weakDir) Fsyncdir(context.Context, uint32) syscall.Errno { return d.synced }

// Setlk implements fs.NodeSetlker.
func (n *weakNode) Setlk(
	ctx context.Context, f fs.FileHandle, owner uint64, lk *fuse.FileLock, flags uint32,
) syscall.Errno {
	switch {
	case n.no["flock"]:
		return unix.ENOSYS
	case n.no["nolocks"]:
		return unix.ENOLCK
	}
	if n.no["nfs"] && lk.Typ == unix.F_WRLCK && readOnly(f) {
		return unix.EBADF
	}
	return f.(fs.FileSetlker).Setlk(ctx, owner, lk, flags)
}

// readOnly reports whether a file is open for reading only.
func readOnly(f fs.FileHandle) bool {
	opened, ok := f.(interface{ PassthroughFd() (int, bool) })
	if !ok {
		return true // a directory
	}
	fd, _ := opened.PassthroughFd()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY
}

// Setlkw implements fs.NodeSetlkwer.
func (n *weakNode) Setlkw(
	ctx context.Context, f fs.FileHandle, owner uint64, lk *fuse.FileLock, flags uint32,
) syscall.Errno {
	return n.Setlk(ctx, f, owner, lk, flags)
}
