package erofs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kernelFile is a file that the kernel reads for EROFS. It is opened once more while it is read ahead, because the kernel
// has to see reads in order.
type kernelFile struct {
	fd     int      // of the owner
	file   *os.File // nil if it is not open
	group  *os.File // of fanotify, told when the file is read
	buffer []byte
}

// ReadByKernel must be called before the image is served if the kernel itself reads the device of the image, from an open
// file with this descriptor: the file is then read ahead of walks. It must be open as long as the image is served.
func (m *Image) ReadByKernel(fd int) { m.cache = &kernelFile{fd: fd} }

// HasAll implements cachedFile.
func (f *kernelFile) HasAll(off, n int64) bool {
	var stat unix.Cachestat_t
	err := unix.Cachestat(uint(f.fd), &unix.CachestatRange{Off: uint64(off), Len: uint64(max(n, 0))}, &stat, 0)
	size := int64(os.Getpagesize())
	return err != nil || n <= 0 || int64(stat.Cache) >= (off+n-1)/size-off/size+1
}

// Layout of struct fanotify_event_metadata.
const (
	eventSize = 24
	eventFile = 16 // the file, opened
	eventPid  = 20
)

// Used implements cachedFile. The kernel reads for EROFS in the name of the process that reads a file there.
func (f *kernelFile) Used(ctx context.Context) bool {
	if err := f.open(); err != nil {
		return false
	}
	group := f.group
	group.SetReadDeadline(time.Now().Add(idle))
	defer context.AfterFunc(ctx, func() { group.SetReadDeadline(time.Unix(1, 0)) })()
	events := make([]byte, 16*eventSize)
	for ctx.Err() == nil {
		n, err := group.Read(events)
		if err != nil {
			return false
		}
		if byOthers(events[:n]) {
			return true
		}
	}
	return false
}

// WasUsed implements cachedFile.
func (f *kernelFile) WasUsed() (used bool) {
	events := make([]byte, 16*eventSize)
	f.control(func(group int) error {
		for {
			n, err := unix.Read(group, events)
			if err != nil || n <= 0 {
				return err
			}
			used = byOthers(events[:n]) || used
		}
	})
	return used
}

// byOthers closes the files of events, and reports whether one of them is by another process.
func byOthers(events []byte) (others bool) {
	for ; len(events) >= eventSize; events = events[eventSize:] {
		if fd := int32(binary.NativeEndian.Uint32(events[eventFile:])); fd >= 0 {
			unix.Close(int(fd))
		}
		others = others || int(binary.NativeEndian.Uint32(events[eventPid:])) != os.Getpid()
	}
	return others
}

// Read implements cachedFile.
func (f *kernelFile) Read(off, n int64) error {
	if err := f.open(); err != nil {
		return err
	}
	if int64(len(f.buffer)) < n {
		f.buffer = make([]byte, n)
	}
	if _, err := f.file.ReadAt(f.buffer[:n], off); err != nil && err != io.EOF {
		return err
	}
	return nil
}

// Release implements cachedFile.
func (f *kernelFile) Release() {
	if f.file != nil {
		f.group.Close()
		f.file.Close()
	}
	f.file, f.group, f.buffer = nil, nil, nil
}

// path is the file's path for this process.
func (f *kernelFile) path() string { return fmt.Sprintf("/proc/self/fd/%d", f.fd) }

// open opens what is not open.
func (f *kernelFile) open() error {
	if f.file != nil {
		return nil
	}
	file, err := os.Open(f.path())
	if err != nil {
		return err
	}
	unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_SEQUENTIAL) // in larger pieces
	const flags = unix.FAN_CLASS_NOTIF | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK
	fd, err := unix.FanotifyInit(flags, unix.O_RDONLY|unix.O_LARGEFILE|unix.O_CLOEXEC)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	group := os.NewFile(uintptr(fd), "fanotify")
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_ACCESS, unix.AT_FDCWD, f.path()); err != nil {
		return errors.Join(err, group.Close(), file.Close())
	}
	f.file, f.group = file, group
	return nil
}

// control calls f with the descriptor of the group.
func (f *kernelFile) control(do func(group int) error) (err error) {
	conn, err := f.group.SyscallConn()
	if err != nil {
		return err
	}
	if failed := conn.Control(func(fd uintptr) { err = do(int(fd)) }); failed != nil {
		return failed
	}
	return err
}
