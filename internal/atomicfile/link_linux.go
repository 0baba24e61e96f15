package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links are followed, as in the kernel.
const maxLinks = 40

// Follow returns the path that a file is written to: where symbolic links of that name lead to, whether there is a file
// or not. In a directory that others can write to, a link may be a trap, so those of other users, except root, are not
// followed; the error is then fs.ErrPermission.
func Follow(path string) (string, error) {
	for range maxLinks {
		var st unix.Stat_t
		err := unix.Lstat(path, &st)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
			return path, nil // any error is that of the use of the path
		}
		if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
			return "", fmt.Errorf("%w: it is a symbolic link of another user", fs.ErrPermission)
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", errors.Unwrap(err)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Dir(path) + "/" + target // not cleaned: .. after a symbolic link must stay
		}
		path = target
	}
	return "", unix.ELOOP
}
