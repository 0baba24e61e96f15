// Package mounts finds the mounts that shardfs has made, with or without a running server, and ends them.
//
// Of any path the kernel says which mount it leads to. A mount is recognized in /proc/self/mountinfo by its type,
// fuse.shardfs, or by its source: for overlayfs by the prefix of that, for EROFS by the name of its image. The rest of the
// source is the path that its scratch directory had when it was mounted; the scratch directory holds everything else that is known, and the number of the
// mount's device. A mount or scratch directory that was moved, or is seen from another root, is found by that number: its
// server works in the scratch directory.
package mounts

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/erofs"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
)

// Mount is a line of /proc/self/mountinfo.
type Mount struct {
	ID         uint64 // unique among the mounts that exist
	Device     string // of its file system, as "0:50"; each further mount of it, as by mount --bind, has the same
	Whole      bool   // it shows the root of its file system, not a directory in it
	Mountpoint string // absolute and without symbolic links, as this process sees it
	Type       string // of its file system, as "fuse.shardfs" or "overlay"
	Source     string // what the scratch directory was called when it was mounted, if the mount is Ours
	Ours       bool   // shardfs made it
}

// sourcePrefix precedes the scratch directory in the source of an overlayfs mount of shardfs.
const sourcePrefix = "shardfs:"

// Source returns the source for an overlayfs mount, by which List recognizes it.
func Source(scratchDir string) string { return sourcePrefix + scratchDir }

// List returns all mounts in this process's mount namespace, in the order of mounting.
func List() ([]Mount, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if errors.Is(err, fs.ErrNotExist) {
		all, err := listByCalls()
		if err != nil {
			return nil, errNoProc
		}
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(string(table)), nil
}

// At returns the mount whose root is at a path, of stacked mounts the last, which hides the others. Ok reports whether
// there is one and shardfs has made it.
func At(path string) (m Mount, ok bool, err error) {
	st, err := statMount(path)
	switch {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return m, false, nil
	case err != nil:
		return m, false, &os.PathError{Op: "stat", Path: path, Err: err}
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0:
		return m, false, nil
	}
	all, err := List()
	for _, candidate := range all {
		if candidate.ID == st.Mnt_id {
			m = candidate
		}
	}
	return m, m.Ours, err
}

// statMount returns the number of the mount that a path leads to, and whether the path is its root. The kernel answers
// it without a request to the server of the mount, which may be gone, or this process.
func statMount(path string) (st unix.Statx_t, err error) {
	err = unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, 0, &st)
	return st, err
}

// ofDevice returns the mounts in a table that show the file system with a device number.
func ofDevice(table []Mount, device string) (found []Mount) {
	for _, m := range table {
		if m.Ours && m.Device == device {
			found = append(found, m)
		}
	}
	return found
}

// placesOf returns the mounts in a table that show the same file system as a mount, which may have ended: then the kernel
// may have given the number of its device to another mount, with another source.
func placesOf(table []Mount, m Mount) []Mount {
	return slices.DeleteFunc(ofDevice(table, m.Device), func(o Mount) bool { return o.Source != m.Source })
}

// Unmount unmounts the last mount of shardfs at a mountpoint. If the mount is in use, lazy detaches it: it disappears
// from its place, and serves its users until they are done. Without lazy the error is EBUSY.
func Unmount(mountpoint string, lazy bool) error { return fusefs.Unmount(mountpoint, lazy) }

// AwaitEnd returns when no mount of shardfs with this scratch directory is left in this process's mount namespace.
func AwaitEnd(scratchDir string) error {
	const table = "/proc/self/mountinfo"
	// Not by os.Open: Go's runtime would poll the file as well, and each change is told to one of the two only; see
	// findings/go-file-takes-mountinfo-events.sh.
	fd, err := unix.Open(table, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: table, Err: err}
	}
	defer unix.Close(fd)
	changes := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}} // a change since the last poll
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
		id, err := strconv.ParseUint(place[0], 10, 64)
		if err != nil {
			continue
		}
		all = append(all, newMount(id, place[2], place[3], unescape(place[4]), what[0], unescape(what[1])))
	}
	return all
}

// newMount returns a mount as the kernel describes it.
func newMount(id uint64, device, root, place, kind, source string) Mount {
	m := Mount{ID: id, Device: device, Whole: root == "/", Mountpoint: place, Type: kind, Source: source}
	switch m.Type {
	case fusefs.Type:
		m.Ours = true
	case overlayfs.Type:
		m.Source, m.Ours = strings.CutPrefix(m.Source, sourcePrefix)
	case erofs.Type:
		if dir, ok := scratch.OfImage(m.Source); ok {
			m.Source, m.Ours = dir, true
		}
	}
	return m
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
