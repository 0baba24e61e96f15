#!/bin/sh
# github.com/moby/sys/mountinfo reads no mount at all where one mount has a long line.
#
# The package, which container runtimes use, reads /proc/self/mountinfo with a bufio.Scanner of the default size. An
# overlayfs of many layers, mounted by the new mount API (lowerdir+), has a line of over 64 KiB: 300 layers with names of
# 200 bytes are enough. GetMounts then returns an error, and none of the other mounts, whatever filter it is given; one
# such mount anywhere in the namespace stops every program that looks for its own.
#
# Seen with github.com/moby/sys/mountinfo v0.7.3, Linux 6.18: "300 layers: 0 mounts, bufio.Scanner: token too long".
# Needs root, Linux 6.8 (lowerdir+) and Go. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")) // in a namespace of its own, see unshare below
	before, err := mountinfo.GetMounts(nil)
	check(err)
	if len(before) == 0 {
		check(fmt.Errorf("no mounts before"))
	}
	dir, err := os.Getwd()
	check(err)
	fs, err := unix.Fsopen("overlay", 0)
	check(err)
	const layers = 300
	for i := range layers {
		layer := filepath.Join(dir, fmt.Sprintf("%03d%s", i, strings.Repeat("x", 197)))
		check(os.Mkdir(layer, 0o755))
		check(unix.FsconfigSetString(fs, "lowerdir+", layer))
	}
	check(unix.FsconfigCreate(fs))
	mnt, err := unix.Fsmount(fs, 0, 0)
	check(err)
	at := filepath.Join(dir, "mnt")
	check(os.Mkdir(at, 0o755))
	check(unix.MoveMount(mnt, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH))
	mounts, err := mountinfo.GetMounts(nil)
	fmt.Printf("%d layers: %d mounts, %v\n", layers, len(mounts), err)
}
GO
cat >go.mod <<'MOD'
module finding

go 1.24
MOD
go get github.com/moby/sys/mountinfo@v0.7.3 golang.org/x/sys/unix@v0.49.0 >/dev/null 2>&1
go build -o show .
unshare -m ./show | tee out
echo '300 layers: 0 mounts, bufio.Scanner: token too long' | cmp - out
