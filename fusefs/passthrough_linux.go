package fusefs

import (
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/shardfs/shardfs/internal/view"
)

// passthrough lets the kernel read and write changed files itself, if this process has CAP_SYS_ADMIN, which the kernel
// requires. A file is passed through for all its opens or for none: the kernel refuses a mixture.
type passthrough struct {
	server *fuse.Server

	mu     sync.Mutex // guards the fields below
	never  bool       // the kernel has refused once, so do not try again
	opened map[view.Ino]*backing
}

// backing is an open file.
type backing struct {
	id    int32 // the kernel's ID of the file that it reads and writes itself; 0 if it sends requests instead
	users int   // number of opens
}

// open counts an open of a file, and sets in out how the kernel accesses it. File has the content; nil means that the
// file is unchanged.
func (p *passthrough) open(ino view.Ino, file *os.File, out *fuse.OpenOut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.opened[ino]
	if b == nil {
		b = &backing{}
		p.opened[ino] = b
		if file != nil && !p.never {
			id, errno := p.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(file.Fd())})
			if b.id = id; errno != 0 {
				b.id, p.never = 0, true
			}
		}
	}
	b.users++
	if out.OpenFlags = fuse.FOPEN_KEEP_CACHE; b.id != 0 {
		out.OpenFlags, out.BackingID = fuse.FOPEN_PASSTHROUGH, b.id
	}
}

// release ends an open.
func (p *passthrough) release(ino view.Ino) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.opened[ino]
	if b == nil {
		return
	}
	if b.users--; b.users > 0 {
		return
	}
	delete(p.opened, ino)
	if b.id != 0 {
		p.server.UnregisterBackingFd(b.id)
	}
}
