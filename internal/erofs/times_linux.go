package erofs

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ReadsShortTimes reports whether the kernel reads the times in short inodes, as it does from Linux 6.15 on. One before shows
// the time of the image instead. What shows it is a time in a mount, which this process would have to serve itself, so the
// version has to tell; where that is wrong, inodes are only longer than need be.
func ReadsShortTimes() bool {
	var name unix.Utsname
	return unix.Uname(&name) == nil && readsShortTimes(unix.ByteSliceToString(name.Release[:]))
}

// readsShortTimes is ReadsShortTimes for a release such as 6.12.48+deb13-amd64.
func readsShortTimes(release string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return n == 2 && (major > 6 || major == 6 && minor >= 15)
}
