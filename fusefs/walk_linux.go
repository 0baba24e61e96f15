package fusefs

import (
	"sync"

	"github.com/shardfs/shardfs/internal/view"
)

// walk notices that directories are used in the order in which they are listed, while they are being listed. The rest of
// the listing is then better made with their attributes, which saves the lookup of each.
type walk struct {
	mu   sync.Mutex // guards the fields below
	last view.Ino   // the directory last used
	run  int        // how many others before it were used in order, since the attributes of some were listed
}

// walkRun is how many directories must be used in order.
const walkRun = 8

// used tells of the use of a directory: a lookup, a listing, or a lookup in it. The numbers of directories ascend in the
// order of a listing.
func (w *walk) used(dir view.Ino) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch dir {
	case w.last:
		return
	case w.last + 1:
		w.run++
	default:
		w.run = 0
	}
	w.last = dir
}

// inOrder reports whether the directories of the last part of a listing were used in order. It must be called for each
// further part, because each answer needs its own reason: a listing that nobody walks along must not fill the kernel's
// memory.
func (w *walk) inOrder() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.run >= walkRun
	w.run = 0
	return in
}

// walked notices the lookup of a child in the directory of an entry; 0 if that failed.
func (b *base) walked(e *view.Entry, child view.Ino) {
	switch {
	case e.View.Dirs() <= largeView:
	case e.View.IsSample(e.Ino):
		b.walk.used(e.Global(e.Ino))
	case child.IsDir():
		b.walk.used(e.Global(child))
	}
}

// listed notices the listing of the directory of an entry, one of many. It reports whether the part that starts at an
// offset is to have attributes: in the directory of a sample, or if those of the part before were used in order.
func (b *base) listed(e *view.Entry, offset uint64) bool {
	if e.View.IsSample(e.Ino) {
		b.walk.used(e.Global(e.Ino))
		return true
	}
	return offset > 0 && b.walk.inOrder()
}
