package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rogpeppe/go-internal/testscript"
)

// gateKey is the key of a story's gate in its environment.
type gateKey struct{}

// gate shows a shard as a file whose reads wait, so that a story can test a mount while the shard is being indexed:
//
//	gate slow in.tar        # slow/in.tar is in.tar, but no byte after its first quarter can be read
//	gate waited             # wait until a reader waits for one
//	gate open               # now it can
//
// With a delay, each read of the second quarter takes that long, and is counted:
//
//	gate slow in.tar 500ms
//	gate count              # from here
//	gate most 5             # at most 5 have begun
//
// The middle and the end, by which shardfs checks whether an index fits, can always be read. The shard should have
// several megabytes, because it is read in pieces of up to 1 MB.
func makeGate(ts *testscript.TestScript, neg bool, args []string) {
	g := ts.Value(gateKey{}).(*gate)
	switch {
	case neg || len(args) == 0 || len(args) > 3:
		ts.Fatalf("usage: gate DIR SHARD [DELAY], or gate waited|open|count|most N")
	case args[0] == "waited":
		waitFor(ts, func() bool { return g.waiting.Load() > 0 }, "a read at the gate")
		return
	case args[0] == "open":
		g.lift()
		return
	case args[0] == "count":
		g.begun.Store(0)
		return
	case args[0] == "most":
		most, err := strconv.Atoi(args[1])
		ts.Check(err)
		if n := int(g.begun.Load()); n > most {
			ts.Fatalf("%d reads at the gate, want at most %d", n, most)
		}
		return
	}
	dir := ts.MkAbs(args[0])
	var err error
	g.content, err = os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	g.opened = make(chan struct{})
	g.lift = sync.OnceFunc(func() { close(g.opened) })
	if len(args) == 3 {
		g.delay, err = time.ParseDuration(args[2])
		ts.Check(err)
	}
	ts.Check(os.MkdirAll(dir, 0o755))
	root := new(fs.Inode)
	forever := time.Hour
	server, err := fs.Mount(dir, root, &fs.Options{
		EntryTimeout: &forever, AttrTimeout: &forever,
		MountOptions: fuse.MountOptions{Name: "gate", DirectMountStrict: os.Geteuid() == 0},
		OnAdd: func(ctx context.Context) {
			root.AddChild(filepath.Base(args[1]), root.NewPersistentInode(ctx, g, fs.StableAttr{Mode: syscall.S_IFREG}),
				false)
		},
	})
	ts.Check(err)
	ts.Defer(func() {
		g.lift()
		cleanUp(ts.Getenv("WORK"))
		ended := make(chan struct{})
		go func() {
			server.Wait()
			close(ended)
		}()
		select {
		case <-ended:
		case <-time.After(10 * time.Second): // a run of another story has the mount, too, in a namespace of its own
		}
	})
}

// gate is the file system node of the file.
type gate struct {
	fs.Inode
	content []byte
	delay   time.Duration // of each read; 0: reads wait until the gate is opened
	opened  chan struct{}
	lift    func()       // opens the gate
	waiting atomic.Int32 // reads that are waiting
	begun   atomic.Int32 // reads that have waited or are waiting
}

// Getattr implements fs.NodeGetattrer.
func (g *gate) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Mtime = syscall.S_IFREG|0o644, uint64(len(g.content)), 1_700_000_000
	return 0
}

// Open implements fs.NodeOpener. Direct I/O keeps the kernel from reading ahead.
func (*gate) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read implements fs.NodeReader.
func (g *gate) Read(ctx context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	size := int64(len(g.content))
	if off < size/2-64<<10 && off+int64(len(dest)) > size/4 {
		var after <-chan time.Time
		if g.delay > 0 {
			after = time.After(g.delay)
		}
		g.begun.Add(1)
		g.waiting.Add(1)
		defer g.waiting.Add(-1)
		select {
		case <-g.opened:
		case <-after:
		case <-ctx.Done():
			return nil, syscall.EINTR
		}
	}
	off = min(off, size)
	return fuse.ReadResultData(g.content[off:min(off+int64(len(dest)), size)]), 0
}
