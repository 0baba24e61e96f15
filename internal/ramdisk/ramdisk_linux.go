// Package ramdisk is a file system in memory for small files that are soon removed.
//
// A [Disk] is a tmpfs with large pages, in the mount namespace of its process: it is gone with the last process in it,
// however that ends. The kernel cannot take the memory of its files back, so its size is a quarter of the memory that is
// available when it is mounted, and no more than half of that is given out: see [Disk.Room]. What a program writes there
// without asking may fill it, although a disk would have had room: see [Use.Lacked].
package ramdisk

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/cgroup"
)

// ErrScarce means that there is too little memory for a Disk.
var ErrScarce = errors.New("little memory is free")

const (
	share = 4         // a Disk takes up to this part of the memory that is available
	least = 256 << 20 // the smallest size in bytes: it takes two processors some 30 ms to fill half of that
	most  = 4 << 30   // the largest size

	tick = 10 * time.Millisecond // how often it is looked at how full a Disk is
)

// Disk is a mounted file system. Its methods are safe for concurrent use, except Close. A nil Disk never has room.
type Disk struct {
	Dir string // where it is mounted, closed to other users

	size      int64
	available func() int64 // bytes of memory

	dir     *os.File
	half    atomic.Int64 // how many times it was seen more than half full
	full    atomic.Int64 // how many times it was seen full, or almost
	scarce  atomic.Bool  // the machine or the control group has less memory left than the Disk may take
	end     chan struct{}
	watcher sync.WaitGroup
}

// Mount mounts a Disk at an empty directory, with the restrictions (nosuid, nodev, noexec) of the file system there. The
// process should be in a mount namespace of its own. The error is ErrScarce if too little memory is available; others
// mean that the kernel does not allow it.
func Mount(dir string) (*Disk, error) {
	return mount(dir, cgroup.Available, least)
}

// mount is Mount where so much memory is available, and for at least so many bytes.
func mount(dir string, available func() int64, least int64) (*Disk, error) {
	size := min(available()/share, most)
	if size < least {
		return nil, ErrScarce
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return nil, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	flags := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC) // as those of ST_ are
	options := fmt.Sprintf("mode=0700,size=%d,nr_inodes=%d", size, size>>10)
	err := unix.Mount("shardfs-memory", dir, "tmpfs", flags, options+",huge=within_size")
	if err == unix.EINVAL { // a kernel without huge pages
		err = unix.Mount("shardfs-memory", dir, "tmpfs", flags, options)
	}
	if err != nil {
		return nil, &os.PathError{Op: "mount tmpfs", Path: dir, Err: err}
	}
	d := &Disk{Dir: dir, size: size, available: available, end: make(chan struct{})}
	if d.dir, err = os.Open(dir); err == nil {
		err = d.checkXattrs()
	}
	if err != nil {
		return nil, errors.Join(err, d.unmount())
	}
	d.watcher.Go(d.watch)
	return d, nil
}

// checkXattrs returns an error if files cannot have the attributes that overlayfs needs: before Linux 6.6 tmpfs has none
// in a user namespace.
func (d *Disk) checkXattrs() error {
	var err error
	for _, name := range []string{"trusted.overlay.shardfs", "user.overlay.shardfs"} {
		if err = unix.Fsetxattr(int(d.dir.Fd()), name, []byte("y"), 0); err == nil {
			return unix.Fremovexattr(int(d.dir.Fd()), name)
		}
	}
	return fmt.Errorf("attributes in a tmpfs: %w", err)
}

// Size returns how many bytes it can hold.
func (d *Disk) Size() int64 { return d.size }

// Close unmounts the Disk, also if a process uses it, with which it then ends.
func (d *Disk) Close() error {
	close(d.end)
	d.watcher.Wait()
	return d.unmount()
}

func (d *Disk) unmount() error {
	d.dir.Close()
	return unix.Unmount(d.Dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
}

// watch looks at the Disk until it is closed.
func (d *Disk) watch() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	const rarely = 10 // the memory of the machine is looked at only each so many times
	for n := 1; ; n++ {
		select {
		case <-d.end:
			return
		case <-ticker.C:
		}
		d.look()
		if n%rarely == 0 {
			d.scarce.Store(d.available() < d.size)
		}
	}
}

// look counts whether the Disk is half full, or full, and returns how many bytes are in use.
func (d *Disk) look() (used int64) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.dir.Fd()), &st); err != nil {
		return d.size
	}
	free := int64(st.Bavail) * st.Bsize
	used = d.size - free
	if used > d.size/2 || st.Ffree < st.Files/2 {
		d.half.Add(1)
	}
	if free < d.size/16 || st.Ffree < st.Files/16 {
		d.full.Add(1)
	}
	return used
}

// Room reports whether files of so many bytes may be written. That is so up to half of the size, unless the Disk was full
// once or memory is scarce now.
func (d *Disk) Room(bytes int64) bool {
	return d != nil && d.full.Load() == 0 && !d.scarce.Load() && bytes <= d.size/2-d.look()
}

// Use is the time in which a program writes to a Disk. The zero Use is of none.
type Use struct {
	disk       *Disk
	half, full int64 // as they were at the beginning
}

// Begin returns the Use of a program that begins now.
func (d *Disk) Begin() Use {
	if d == nil {
		return Use{}
	}
	return Use{d, d.half.Load(), d.full.Load()}
}

// Lacked reports whether a program that has ended, but whose files are still there, may have found the Disk full: it has
// failed and more than half was in use, or it has not and almost nothing was left. That is looked at every 10 ms, and now.
func (u Use) Lacked(failed bool) bool {
	if u.disk == nil {
		return false
	}
	u.disk.look()
	return u.disk.full.Load() > u.full || failed && u.disk.half.Load() > u.half
}
