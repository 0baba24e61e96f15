package overlay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/shardfs/shardfs/internal/scratch"
)

// Stamp returns a text that is different after any change.
func (o *Overlay) Stamp() (string, error) { return o.upper.stamp() }

// Stamp returns the stamp of the changes in a scratch directory, whose shard may be gone or replaced.
func Stamp(s *scratch.Scratch) (string, error) {
	u, err := openUpper(s)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.Dir, err)
	}
	stamp, err := u.stamp()
	return stamp, errors.Join(err, u.close())
}

func (u *upper) stamp() (string, error) {
	sum := sha256.New()
	err := retryIfMoved(func() error {
		sum.Reset()
		return u.stampDir(sum, "")
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// stampDir writes what tells the entries of a directory, and of those below it, from changed ones.
func (u *upper) stampDir(stamp io.Writer, dir string) error {
	entries, err := u.listUnlocked(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.name)
		fmt.Fprintf(stamp, "%q %o %d %d %d\n", name, e.stat.Mode, e.stat.Size, e.stat.Ino, e.stat.Ctim.Nano())
		if isDir(&e.stat) {
			if err := u.stampDir(stamp, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// listUnlocked lists a directory and lets this process read what is in it, which changes modes, and so the stamp.
func (u *upper) listUnlocked(dir string) ([]entry, error) {
	entries, err := u.list(dir)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		e := &entries[i]
		if !isLocked(&e.stat) {
			continue
		}
		name := path.Join(dir, e.name)
		u.grant(name)
		if e.stat, err = u.stat(name); err != nil {
			return nil, err
		}
	}
	return entries, nil
}
