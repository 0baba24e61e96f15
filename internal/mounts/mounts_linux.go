// Package mounts finds the mounts that shardfs has made, with or without a running server, and ends them.
//
// A mount is recognized in /proc/self/mountinfo by its type, fuse.shardfs, or for overlayfs by the prefix of its
// source. The source, after the prefix, is the absolute path of the scratch directory of the mount, which holds
// everything else that is known about it.
package mounts

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlayfs"
)

// Mount is a line of /proc/self/mountinfo.
type Mount struct {
	Mountpoint string
	Type       string // of its file system, as "fuse.shardfs" or "overlay"
	Source     string // the scratch directory, if the mount is Ours
	Ours       bool   // shardfs made it
}

// sourcePrefix precedes the scratch directory in the source of an overlayfs mount of shardfs.
const sourcePrefix = "shardfs:"

// Source returns the source for an overlayfs mount, by which List recognizes it.
func Source(scratchDir string) string { return sourcePrefix + scratchDir }

// List returns all mounts in this process's mount namespace, in the order of mounting.
func List() ([]Mount, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parse(string(table)), nil
}

// At returns the mount at a mountpoint, which is an absolute path without symbolic links; of stacked mounts the last,
// which hides the others. Ok reports whether there is one and shardfs has made it.
func At(mountpoint string) (m Mount, ok bool, err error) {
	all, err := List()
	for _, candidate := range all {
		if candidate.Mountpoint == mountpoint {
			m = candidate
		}
	}
	return m, m.Ours, err
}

// Unmount unmounts the last mount of shardfs at a mountpoint. If the mount is in use, lazy detaches it: it disappears
// from its place, and serves its users until they are done. Without lazy the error is EBUSY.
func Unmount(mountpoint string, lazy bool) error { return fusefs.Unmount(mountpoint, lazy) }

// AwaitEnd returns when no mount of shardfs with this scratch directory is left in this process's mount namespace.
func AwaitEnd(scratchDir string) error {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer table.Close()
	changes := []unix.PollFd{{Fd: int32(table.Fd()), Events: unix.POLLPRI}} // a change since the last poll
	for {
		all, err := List()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(m Mount) bool { return m.Ours && m.Source == scratchDir }) {
			return nil
		}
		if _, err := unix.Poll(changes, -1); err != nil && err != unix.EINTR {
			return err
		}
	}
}

// parse parses mountinfo. It skips lines that it does not understand, because shardfs has not made those mounts.
func parse(table string) (all []Mount) {
	for line := range strings.Lines(table) {
		// 36 35 98:0 /root /mountpoint rw,noatime shared:1 - type source rw
		before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		place, what := strings.Split(before, " "), strings.Split(after, " ")
		if len(place) < 5 || len(what) < 2 {
			continue
		}
		m := Mount{Mountpoint: unescape(place[4]), Type: what[0], Source: unescape(what[1])}
		switch m.Type {
		case fusefs.Type:
			m.Ours = true
		case overlayfs.Type:
			m.Source, m.Ours = strings.CutPrefix(m.Source, sourcePrefix)
		}
		all = append(all, m)
	}
	return all
}

// unescape undoes the octal escapes of mountinfo, such as \040 for a space. All other bytes stay as they are, whether
// they are valid UTF-8 or not.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
