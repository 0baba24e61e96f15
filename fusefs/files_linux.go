package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// A File is what MountFiles serves under a name. It is used by many goroutines at a time.
//
// A File that has a method Ahead(off int64, n int, store func(file int, p []byte, off int64) error) is told of the reads
// that the kernel could not answer from its cache: n bytes at off, in a goroutine, about when the reply is sent. There is
// one such call at a time for a file; of the reads that come meanwhile, the next call is told of the last. It may store
// what will be read next; store is [Server.Store].
//
// A File that has a method DropPages() is asked in this way to release the memory of mapped index files.
type File interface {
	// Size returns the number of bytes, which never changes.
	Size() int64

	// ReadAt reads like an io.ReaderAt. It is never called for bytes after the end. Ctx ends when the reader is
	// interrupted.
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// NamedFile is a File with its name in the root of a mount.
type NamedFile struct {
	Name string
	File
}

// MountFiles mounts a directory of files read-only and serves them until they are unmounted. It returns when the mount
// is ready for use. The kernel caches everything for the life of the mount, and other file systems may be mounted from
// the files. If bytes cannot be read, the reader gets ESTALE if they have changed, else EIO, and the log the cause.
//
// Without AllowOther, only the user who mounts has access to the files, but a file system mounted from them does not
// look at that: its own permissions have to keep other users out.
func MountFiles(all []NamedFile, mountpoint string, o Options) (*Server, error) {
	report := o.report()
	f, err := newFiles(all, report)
	if err != nil {
		return nil, err
	}
	o.ReadOnly = true
	o.passthrough = false // with it, the kernel would refuse to mount from the files
	s, err := serve(f, mountpoint, &o, report)
	if err != nil {
		return nil, err
	}
	s.files = f
	f.ready(s.Store)
	readAhead(mountpoint)
	return s, nil
}

// Store puts bytes of a file of MountFiles, by its place in the list, into the kernel's cache, so that they can be read
// without a request. Off is a multiple of the size of a page. A page that is not whole is only kept if it is the file's
// last. The error is ENOENT if the file has not been used or is not used any more, and EINVAL if there is no such part of
// a file. While the kernel waits for the reply to a read of one of the pages, Store waits too, so it must not be called by
// ReadAt.
func (s *Server) Store(file int, p []byte, off int64) error {
	if s.files == nil || file < 0 || file >= len(s.files.all) {
		return unix.EINVAL
	}
	// The kernel would make the file longer.
	if size := s.files.all[file].Size(); off < 0 || off%int64(os.Getpagesize()) != 0 || int64(len(p)) > size-off {
		return unix.EINVAL
	}
	if len(p) == 0 {
		return nil
	}
	status := s.fuse.InodeNotifyStoreCache(fileNode(file), off, p)
	if status != fuse.OK {
		return unix.Errno(status)
	}
	return nil
}

// files serves files in a root directory. It keeps no state but that of Ahead: the number of a node is a place in the
// list.
type files struct {
	replier
	all    []*servedFile
	memory mapTrimmer
	attr   view.Attr // of the root
}

// fileNode returns the number of the node of a file. The root is 1.
func fileNode(file int) uint64 { return uint64(file) + 2 }

func newFiles(all []NamedFile, log func(error)) (*files, error) {
	now := time.Now()
	f := &files{replier: newReplier(log), attr: view.Attr{
		Ino: view.Root, Mode: unix.S_IFDIR | 0o500, Nlink: 2, BlkSize: 4096,
		Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Atime: now, Mtime: now, Ctime: now,
	}}
	f.memory.trim = f.dropPages
	names := make(map[string]bool)
	for _, n := range all {
		switch {
		case n.Name == "" || n.Name == "." || n.Name == ".." || len(n.Name) > unix.NAME_MAX,
			strings.ContainsAny(n.Name, "/\x00"):
			return nil, fmt.Errorf("%q is no name of a file", n.Name)
		case names[n.Name]:
			return nil, fmt.Errorf("two files have the name %q", n.Name)
		}
		names[n.Name] = true
		f.all = append(f.all, newServedFile(n, log))
	}
	return f, nil
}

// ready lets Ahead be called.
func (f *files) ready(store storeFunc) {
	for _, file := range f.all {
		file.ready(store)
	}
}

// wait returns when no Ahead is running. No requests must come any more.
func (f *files) wait() {
	for _, file := range f.all {
		file.calls.Wait()
	}
}

func (f *files) dropPages() {
	for _, file := range f.all {
		if d, ok := file.File.(interface{ DropPages() }); ok {
			d.DropPages()
		}
	}
}

// at returns the file with the number of a node; false if there is none.
func (f *files) at(node uint64) (*servedFile, bool) {
	if node < fileNode(0) || node >= fileNode(len(f.all)) {
		return nil, false
	}
	return f.all[node-fileNode(0)], true
}

// attrOf describes the root or a file.
func (f *files) attrOf(node uint64) (view.Attr, error) {
	a := f.attr
	if node == uint64(a.Ino) {
		return a, nil
	}
	file, ok := f.at(node)
	if !ok {
		return a, unix.ESTALE
	}
	a.Ino, a.Mode, a.Nlink, a.Size = view.Ino(node), unix.S_IFREG|0o400, 1, file.Size()
	a.Blocks = (a.Size + 511) / 512
	return a, nil
}

// Lookup implements fuse.RawFileSystem.
func (f *files) Lookup(_ <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	for i, file := range f.all {
		if file.Name == name {
			a, err := f.attrOf(fileNode(i))
			return f.entry(a, err, out)
		}
	}
	return f.missing(out)
}

// GetAttr implements fuse.RawFileSystem.
func (f *files) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	a, err := f.attrOf(in.NodeId)
	return f.replier.attr(a, err, out)
}

// Open is not needed: after one ENOSYS the kernel opens files without a request, and keeps cached pages.
func (f *files) Open(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status { return fuse.ENOSYS }

// OpenDir is not needed either.
func (f *files) OpenDir(<-chan struct{}, *fuse.OpenIn, *fuse.OpenOut) fuse.Status { return fuse.ENOSYS }

// Flush is not needed: there are no writes.
func (f *files) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.ENOSYS }

// Read implements fuse.RawFileSystem. It never returns fewer bytes than the file has there, because the kernel would
// take that for the end of the file.
func (f *files) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	f.memory.onRequest()
	file, ok := f.at(in.NodeId)
	if !ok {
		return nil, fuse.Status(unix.ESTALE)
	}
	off := int64(in.Offset)
	p := buf[:max(0, min(int64(len(buf)), file.Size()-off))]
	ctx := interrupt{cancel}
	n, err := file.ReadAt(ctx, p, off)
	if (err == nil || errors.Is(err, io.EOF)) && n < len(p) {
		err = fmt.Errorf("%s: byte %d of %d: %w", file.Name, off+int64(n), file.Size(), io.ErrUnexpectedEOF)
	} else if err == io.EOF {
		err = nil
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fuse.EINTR
	case err != nil:
		return nil, f.status(err)
	}
	file.wasRead(off, n)
	return fuse.ReadResultData(p), fuse.OK
}

// ReadDir implements fuse.RawFileSystem.
func (f *files) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, out.AddDirEntry)
}

// ReadDirPlus implements fuse.RawFileSystem. It lists no attributes.
func (f *files) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(e fuse.DirEntry) bool { return out.AddDirLookupEntry(e) != nil })
}

// list adds the entries of the root until the buffer is full. The place of an entry is the number of its node, less the
// two of "." and "..".
func (f *files) list(in *fuse.ReadIn, add func(fuse.DirEntry) bool) fuse.Status {
	if in.NodeId != fuse.FUSE_ROOT_ID {
		return fuse.ENOTDIR
	}
	if !dots(in, add) {
		return fuse.OK
	}
	for i := max(in.Offset, 2) - 2; i < uint64(len(f.all)); i++ {
		e := fuse.DirEntry{Name: f.all[i].Name, Ino: fileNode(int(i)), Mode: unix.S_IFREG, Off: i + 3}
		if !add(e) {
			break
		}
	}
	return fuse.OK
}

// StatFs implements fuse.RawFileSystem.
func (f *files) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	*out = fuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: unix.NAME_MAX}
	return fuse.OK
}
