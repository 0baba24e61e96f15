#!/bin/sh
# A program that a go-fuse server starts inherits the server's connection to the kernel, and keeps it open.
#
# Go opens files with O_CLOEXEC, so one would expect that a child gets only what ExtraFiles has. But go-fuse opens /dev/fuse
# by the bare system call when it mounts itself (DirectMount), without that flag. As long as such a child lives, the kernel
# does not notice that the server was killed: requests wait for an answer instead of failing with ENOTCONN, and whoever uses
# the mount hangs. A server that starts programs has to set FD_CLOEXEC on its open /dev/fuse after each mount.
#
# Seen with github.com/hanwen/go-fuse/v2 v2.12.1 on Linux 6.18: "the child has /dev/fuse open".
# Needs root, /dev/fuse and Go. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'umount -l "$dir/mnt" 2>/dev/null || :; rm -rf --one-file-system "$dir"' EXIT
mkdir "$dir/mnt" "$dir/server"
cd "$dir/server"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	options := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true}}
	server, err := fs.Mount(os.Args[1], &fs.Inode{}, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
	server.Unmount()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case strings.Contains(string(out), "-> /dev/fuse"):
		fmt.Println("the child has /dev/fuse open")
	default:
		fmt.Println("the child does not have /dev/fuse open")
	}
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
echo 'the child has /dev/fuse open' | cmp - "$dir/out"
