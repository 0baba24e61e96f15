#!/bin/sh
# A process that is killed while it reads a FUSE file through the page cache sends no INTERRUPT to the server.
#
# One would expect that the end of a reader ends its read: with go-fuse, that the cancel channel of the READ handler is
# closed when the process that waits for it is killed. It is for direct reads (O_DIRECT). For ordinary ones the kernel
# sends the READ asynchronously, as read-ahead, on behalf of no process: the killed `cat` is gone at once, and the server
# works on for nobody until it has an answer or the mount goes. A server whose reads can hang (a network) needs limits of
# its own; interrupts do not bring them.
#
# Seen with github.com/hanwen/go-fuse/v2 v2.12.1 on Linux 6.18: "buffered: not interrupted", "direct: interrupted".
# Needs root (or fusermount3), /dev/fuse and Go. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'umount -l "$dir/mnt" 2>/dev/null || :; rm -rf --one-file-system "$dir"' EXIT
mkdir "$dir/mnt" "$dir/server"
cd "$dir/server"
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// file is a file of one page whose reads wait until they are interrupted.
type file struct {
	fs.Inode
	started     chan bool
	interrupted chan bool
}

func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o444, 4096
	return 0
}

func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

func (f *file) Read(ctx context.Context, _ fs.FileHandle, dest []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	f.started <- true
	select {
	case <-ctx.Done():
		f.interrupted <- true
		return nil, syscall.EINTR
	case <-time.After(5 * time.Second):
		f.interrupted <- false
		return fuse.ReadResultData(make([]byte, len(dest))), 0
	}
}

type root struct {
	fs.Inode
	f *file
}

func (r *root) OnAdd(ctx context.Context) {
	r.AddChild("f", r.NewPersistentInode(ctx, r.f, fs.StableAttr{Mode: syscall.S_IFREG}), true)
}

func main() {
	mnt := os.Args[1]
	f := &file{started: make(chan bool, 64), interrupted: make(chan bool, 64)}
	server, err := fs.Mount(mnt, &root{f: f}, &fs.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, read := range [][]string{{"buffered", "cat", mnt + "/f"}, {"direct", "dd", "iflag=direct", "bs=4096", "if=" + mnt + "/f"}} {
		cmd := exec.Command(read[1], read[2:]...)
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		<-f.started
		cmd.Process.Kill()
		cmd.Wait()
		word := "not interrupted"
		if <-f.interrupted {
			word = "interrupted"
		}
		fmt.Println(read[0] + ": " + word)
	}
	server.Unmount()
}
GO
cat >go.mod <<'MOD'
module finding

go 1.24
MOD
go get github.com/hanwen/go-fuse/v2/fs@v2.12.1 >/dev/null 2>&1
go build -o server .
./server "$dir/mnt" >"$dir/out"
cat "$dir/out"
printf 'buffered: not interrupted\ndirect: interrupted\n' | cmp - "$dir/out"
