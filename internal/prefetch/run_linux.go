package prefetch

import (
	"bufio"
	"io"
	"math"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable that marks a process of this package: if it is set, the program calls Run.
const Variable = "SHARDFS_PREFETCH"

// Name is the name of such a process in lists of processes.
const Name = "shardfs-ahead"

// Run reads files ahead until the server closes its end. It never returns an error: if files cannot be read ahead, those
// who need them find out why.
func Run(in io.Reader, out io.Writer) {
	unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	// The kernel names the thread in its requests.
	runtime.LockOSThread()
	setName()
	r := bufio.NewReader(in)
	first, err := readMessage(r)
	if err != nil || len(first) != 2 {
		return
	}
	device, err := strconv.ParseUint(first[1], 10, 64)
	if err != nil {
		return
	}
	reply := appendMessage(nil, strconv.Itoa(unix.Gettid()))
	for {
		if _, err := out.Write(reply); err != nil {
			return
		}
		texts, err := readMessage(r)
		if err != nil {
			return
		}
		readAhead(first[0], device, texts)
		reply = appendMessage(nil)
	}
}

// setName sets the name of the process.
func setName() {
	if f, err := unix.Open("/proc/self/comm", unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		unix.Write(f, []byte(Name))
		unix.Close(f)
	}
}

// readAhead reads files ahead, if the mount with a device is at a mountpoint.
func readAhead(mountpoint string, device uint64, files []string) {
	const flags = unix.O_CLOEXEC | unix.O_NOFOLLOW
	root, err := unix.Open(mountpoint, unix.O_PATH|unix.O_DIRECTORY|flags, 0)
	if err != nil {
		return
	}
	defer unix.Close(root)
	if at, err := deviceOf(root, ""); err != nil || at != device {
		return
	}
	for _, text := range files {
		file := decode(text)
		fd, err := unix.Openat(root, file.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|flags, 0)
		if err != nil {
			continue
		}
		if file.Read {
			unix.Fadvise(fd, 0, 0, unix.FADV_WILLNEED) // does not wait for the bytes
		}
		unix.Close(fd)
	}
}

// deviceOf returns the number of the device of a file, without asking the server of its mount.
func deviceOf(dir int, path string) (uint64, error) {
	var st unix.Statx_t
	err := unix.Statx(dir, path, unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC|unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return unix.Mkdev(st.Dev_major, st.Dev_minor), err
}
