package fusefs

import (
	"os"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/shardfs/shardfs/internal/view"
)

// passthrough lets the kernel read and write changed files without us, where we may: with the right to mount, which the kernel
// asks for. A file is so for all who have it open, or for none: the kernel refuses a mixture.
type passthrough struct {
	server *fuse.Server

	mu     sync.Mutex // guards the fields below
	never  bool       // the kernel has refused
	opened map[view.Ino]*backing
}

// backing is a file that is open.
type backing struct {
	id    int32 // by which the kernel knows the file that it reads and writes; 0: it asks us
	users int
}

// open notes that a file was opened, and tells the kernel how to use it. File is what lies behind it, nil if that is a shard.
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
