package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// Directories at the root of a mount with Options.Layers.
const (
	ShownLayer = "shown" // the shards
	EmptyLayer = "empty" // nothing
)

// Numbers of nodes that no view uses. The root of the view, which is 1 like that of the mount, is shownNode.
const (
	shownNode = 2
	emptyNode = 3
)

// layers serves shards in a subdirectory, beside an empty one. The kernel shows two directories of one file system as one
// with the numbers that they have there; overlayfs needs at least two.
type layers struct {
	*base
	mode uint32 // permissions of the directory that shows the shards
}

// top describes the root of the mount, or one of its directories.
func (l *layers) top(cancel <-chan struct{}, node uint64) (view.Attr, error) {
	a, err := l.base.stat(cancel, view.Root)
	a.Mode = unix.S_IFDIR | l.mode
	if node == emptyNode {
		a.Ino = emptyNode
	}
	return a, err
}

// Lookup implements fuse.RawFileSystem.
func (l *layers) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	var node uint64
	switch {
	case in.NodeId == shownNode:
		return l.base.Lookup(cancel, ofView(in), name, out)
	case in.NodeId != fuse.FUSE_ROOT_ID && in.NodeId != emptyNode:
		return l.base.Lookup(cancel, in, name, out)
	case in.NodeId == fuse.FUSE_ROOT_ID && name == ShownLayer:
		node = shownNode
	case in.NodeId == fuse.FUSE_ROOT_ID && name == EmptyLayer:
		node = emptyNode
	default:
		return l.missing(out)
	}
	a, err := l.top(cancel, node)
	status := l.entry(a, err, out)
	out.NodeId = node
	return status
}

// GetAttr implements fuse.RawFileSystem.
func (l *layers) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	switch in.NodeId {
	case fuse.FUSE_ROOT_ID, shownNode, emptyNode:
		a, err := l.top(cancel, in.NodeId)
		return l.attr(a, err, out)
	}
	return l.base.GetAttr(cancel, in, out)
}

// ReadDir implements fuse.RawFileSystem.
func (l *layers) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return l.list(in, out, func(in *fuse.ReadIn) fuse.Status { return l.base.ReadDir(cancel, in, out) })
}

// ReadDirPlus implements fuse.RawFileSystem.
func (l *layers) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return l.list(in, out, func(in *fuse.ReadIn) fuse.Status { return l.base.ReadDirPlus(cancel, in, out) })
}

// list lists a directory of the view by a function. The others appear empty: only overlayfs sees them.
func (l *layers) list(in *fuse.ReadIn, out *fuse.DirEntryList, ofBase func(*fuse.ReadIn) fuse.Status) fuse.Status {
	switch in.NodeId {
	case fuse.FUSE_ROOT_ID, emptyNode:
		dots(in, func(e fuse.DirEntry) bool { return out.AddDirEntry(e) })
		return fuse.OK
	case shownNode:
		inView := *in
		inView.InHeader = *ofView(&in.InHeader)
		return ofBase(&inView)
	}
	return ofBase(in)
}

// ofView returns a request for the shards' directory as one for the root of the view.
func ofView(in *fuse.InHeader) *fuse.InHeader {
	root := *in
	root.NodeId = uint64(view.Root)
	return &root
}
