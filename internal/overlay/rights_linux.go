package overlay

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
)

// grant gives the owner permission to read the file at a path of the tree, and the directories above it.
func (u *upper) grant(name string) {
	root, err := os.OpenRoot(u.dir.Name())
	if err != nil {
		return // the operation that needs the permission returns an error
	}
	defer root.Close()
	at := "."
	for part := range strings.SplitSeq(name, "/") {
		at = path.Join(at, part)
		scratch.Grant(root, at)
	}
}

// isLocked reports whether this process, which owns a file, lacks permission to read it, or to list or enter a
// directory.
func isLocked(st *unix.Stat_t) bool {
	needed := uint32(0)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		needed = 0o700
	case unix.S_IFREG:
		needed = 0o400
	}
	return st.Mode&needed != needed && os.Geteuid() != 0
}
