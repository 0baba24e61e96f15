package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrForeign means that another user may have written a file, or made it what it is.
var ErrForeign = errors.New("not a file that only this user writes")

// ReadOwn reads a file that this program has written before. A link to a file, a FIFO or a file of another user that is
// in its place is not read, but is ErrForeign. A file of more than limit bytes is an error, too.
func ReadOwn(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) { // a link, a socket
		return nil, fmt.Errorf("%s: %w", name, ErrForeign)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	own := st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink <= 1 && int(st.Uid) == os.Geteuid() && st.Mode&0o022 == 0
	if !own {
		return nil, fmt.Errorf("%s: %w", name, ErrForeign)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: %w: more than %d bytes", name, ErrForeign, limit)
	}
	return b, err
}
