package atomicfile

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"iter"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Parts of temporary names.
const (
	tempInfix  = ".shardfs-"
	partMark   = "part-" // of resumable files
	nameBytes  = 200     // of the final name
	randomText = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	randomLen  = 26 // of rand.Text
)

// tempPrefix returns the beginning of all temporary names for a final name. Long names that begin alike differ by a
// digest.
func tempPrefix(name string) string {
	if len(name) > nameBytes {
		sum := sha256.Sum256([]byte(name))
		digest := hex.EncodeToString(sum[:8])
		name = name[:nameBytes-len(digest)] + digest
	}
	return "." + name + tempInfix
}

// isTemp reports whether temp is a temporary name for a final name. Files whose names only begin like one are not ours.
func isTemp(name, temp string) bool {
	rest, ok := strings.CutPrefix(temp, tempPrefix(name))
	rest = strings.TrimPrefix(rest, partMark)
	return ok && len(rest) == randomLen && strings.Trim(rest, randomText) == ""
}

// isPart reports whether temp is the name of a resumable temporary file for a final name.
func isPart(name, temp string) bool {
	return isTemp(name, temp) && strings.HasPrefix(temp, tempPrefix(name)+partMark)
}

// FinalName returns the final name for a temporary name, unless that is long.
func FinalName(temp string) (name string, ok bool) {
	rest, hidden := strings.CutPrefix(temp, ".")
	i := strings.LastIndex(rest, tempInfix)
	if !hidden || i <= 0 {
		return "", false
	}
	return rest[:i], true
}

// Parts yields the names of resumable temporary files for a final name in a directory, even those that are being
// written. It ends after an error.
func Parts(dir *os.File, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for temp, err := range temporary(dir, name) {
			if (err != nil || isPart(name, temp) && isRegular(dir, temp)) && !yield(temp, err) {
				return
			}
		}
	}
}

// isRegular reports whether a name in a directory is that of a regular file.
func isRegular(dir *os.File, name string) bool {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// temporary yields the names of all temporary files for a final name. It ends after an error.
func temporary(dir *os.File, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for temp, err := range Names(dir) {
			if (err != nil || isTemp(name, temp)) && !yield(temp, err) {
				return
			}
		}
	}
}

// Names yields the names in a directory. It ends after an error.
func Names(dir *os.File) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		// This needs another file descriptor, because the position in a listing belongs to the open file.
		fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			yield("", err)
			return
		}
		f := os.NewFile(uintptr(fd), ".")
		defer f.Close()
		list(f, yield)
	}
}

// list yields the names in a directory.
func list(dir interface{ Readdirnames(int) ([]string, error) }, yield func(string, error) bool) {
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if !yield(name, nil) {
			return
		}
	}
	if err != nil {
		yield("", err)
	}
}

// OpenPart opens a resumable temporary file for a final name, for reading. If temp is not such a name, the error is
// fs.ErrNotExist.
func OpenPart(dir *os.File, name, temp string) (*os.File, error) {
	if !isPart(name, temp) {
		return nil, fs.ErrNotExist
	}
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Openat(int(dir.Fd()), temp, flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), temp), nil
}
