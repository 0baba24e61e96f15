#!/bin/sh
# A Go program that waits by poll(2) for changes of /proc/self/mountinfo misses them if it has opened that by os.Open.
#
# The kernel tells a change of the mounts once for each open file: a poll that reports it also forgets it. Go's runtime registers
# every file that can be polled with its own epoll when os.Open opens it, and keeps it there after Fd. So two poll the same file,
# and now and then it is the runtime that is told: the program's poll sleeps on, until the next change. A file that is opened by
# the bare system call is not registered, and misses nothing.
#
# Seen with Go 1.26.8, golang.org/x/sys v0.35.0 on Linux 6.18: "os.Open: missed", "unix.Open: not missed", in 2 000 changes each.
# Needs root and Go. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf --one-file-system "$dir"' EXIT
mkdir "$dir/mnt" "$dir/wait"
cd "$dir/wait"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// misses reports whether a poll, begun before a mount ends, is not told of it within a second.
func misses(mnt string, open func() (fd int, closes func())) bool {
	for range 2000 {
		if err := unix.Mount("none", mnt, "tmpfs", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fd, closes := open()
		go unix.Unmount(mnt, 0)
		n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, 1000)
		closes()
		unix.Unmount(mnt, unix.MNT_DETACH)
		if n == 0 {
			return true
		}
	}
	return false
}

func main() {
	word := map[bool]string{true: "missed", false: "not missed"}
	const table = "/proc/self/mountinfo"
	fmt.Println("os.Open:", word[misses(os.Args[1], func() (int, func()) {
		f, _ := os.Open(table)
		return int(f.Fd()), func() { f.Close() }
	})])
	fmt.Println("unix.Open:", word[misses(os.Args[1], func() (int, func()) {
		fd, _ := unix.Open(table, unix.O_RDONLY, 0)
		return fd, func() { unix.Close(fd) }
	})])
}
GO
cat >go.mod <<'MOD'
module finding

go 1.24
MOD
go get golang.org/x/sys/unix@v0.35.0 >/dev/null 2>&1
go build -o wait .
unshare --mount --propagation private ./wait "$dir/mnt" >"$dir/out"
cat "$dir/out"
printf 'os.Open: missed\nunix.Open: not missed\n' | cmp - "$dir/out"
