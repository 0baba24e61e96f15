package mounts

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Make makes a missing mountpoint, but no directory above it. It returns what tells this directory from every other.
func Make(place string) (made string, err error) {
	if err := os.Mkdir(place, 0o777); err != nil {
		return "", err
	}
	return identify(place), nil
}

// Unmake removes a mountpoint that Make has made, unless it is not empty. A directory that has taken its place stays.
func Unmake(place, made string) {
	if made != "" && identify(place) == made {
		unix.Rmdir(place)
	}
}

// identify returns what tells a directory from every other, even one that gets its inode later; "" if that is not known.
func identify(dir string) string {
	var st unix.Statx_t
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_STATX_DONT_SYNC
	if err := unix.Statx(unix.AT_FDCWD, dir, flags, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d %d %d.%09d", st.Dev_major, st.Dev_minor, st.Ino, st.Btime.Sec, st.Btime.Nsec)
}
