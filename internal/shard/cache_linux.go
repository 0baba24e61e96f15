package shard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/store"
)

// errUnsafeCache says that another user could have put a file into the cache. An index decides which bytes of a shard
// are shown as whose, so one of unknown origin is not used. The remedy is always to do without a cache.
var errUnsafeCache = errors.New("unsafe index cache")

// Names in the cache. Files with other names are left alone.
const (
	entrySuffix = ".sfidx"
	entryDigits = 32
	lockSuffix  = ".lock"
)

// indexCache is a directory of index files, one for each shard, named after where the shard is. Every error may be
// ignored, and an entry may be gone at any time. An entry has still to be compared with its shard. An indexCache is
// safe for concurrent use, also by several processes.
//
// The directory has held the same files since the first release: an entry is DIGEST.sfidx, where DIGEST is the first
// 32 hexadecimal digits of the SHA-256 of the shard's absolute path or URL; DIGEST.sfidx.lock is the lock of a process
// that builds it; temporary files are named by package atomicfile. What an entry holds has a version of its own, see
// package index.
type indexCache struct {
	dir   *os.File // that was checked; all names are relative to it, so that replacing the directory has no effect
	limit int64
}

// openCache opens the cache in a directory, which is made if it is missing. Limit is how many bytes the entries may
// have together; the one made last is kept even if it alone has more.
//
// The error is errUnsafeCache if dir is a symbolic link, is no directory, or if other users can write to it.
func openCache(dir string, limit int64) (*indexCache, error) {
	dir = filepath.Clean(dir) // a slash at the end would make the kernel follow a link
	mkdirErr := os.MkdirAll(dir, 0o700)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.ENOTDIR || err == unix.ELOOP:
		return nil, fmt.Errorf("%w: %s is not a directory", errUnsafeCache, dir)
	case err != nil && mkdirErr != nil:
		return nil, fmt.Errorf("index cache: %w", mkdirErr)
	case err != nil:
		return nil, fmt.Errorf("index cache: %s: %w", dir, err)
	}
	c := &indexCache{dir: os.NewFile(uintptr(fd), dir), limit: limit}
	if err := checkPrivate(fd, unix.S_IFDIR); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", errUnsafeCache, dir, err), c.Close())
	}
	return c, nil
}

// checkPrivate checks that a descriptor is a file of the given type that no other user can write to.
func checkPrivate(fd int, kind uint32) error {
	var stat unix.Stat_t
	switch err := unix.Fstat(fd, &stat); {
	case err != nil:
		return err
	case stat.Mode&unix.S_IFMT != kind:
		return errors.New("is not a regular file")
	case int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("belongs to user %d", stat.Uid)
	case stat.Mode&0o022 != 0:
		return fmt.Errorf("can be written to by others (mode %04o)", stat.Mode&0o7777)
	}
	return nil
}

// Close closes the cache. No entry may be in the making and no lock be held.
func (c *indexCache) Close() error { return c.dir.Close() }

func (c *indexCache) fd() int { return int(c.dir.Fd()) }

// entryName returns the name of the entry for a shard: a digest of its absolute path, or of its URL without what may
// change from one use to the next.
func entryName(shard string) (string, error) {
	where := store.Redact(shard)
	if path, err := store.Path(shard); err == nil {
		if where, err = filepath.Abs(path); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256([]byte(where))
	return hex.EncodeToString(sum[:])[:entryDigits] + entrySuffix, nil
}

// isEntry reports whether a file's name is that of an entry.
func isEntry(name string) bool {
	digits, ok := strings.CutSuffix(name, entrySuffix)
	return ok && len(digits) == entryDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// Open opens the entry for a shard, given by its name, and marks it as used. The error is fs.ErrNotExist where there is
// none, and errUnsafeCache where another user could have made it.
func (c *indexCache) Open(shard string) (*os.File, error) {
	name, err := entryName(shard)
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	fd, err := unix.Openat(c.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ELOOP {
		return nil, fmt.Errorf("%w: %s is a symbolic link", errUnsafeCache, name)
	}
	if err != nil {
		return nil, fmt.Errorf("index cache: %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), filepath.Join(c.dir.Name(), name))
	if err := checkPrivate(fd, unix.S_IFREG); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", errUnsafeCache, name, err), f.Close())
	}
	// The order in which entries are removed depends on this, no more: a read-only cache serves as well.
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	unix.UtimesNanoAt(c.fd(), name, now, unix.AT_SYMLINK_NOFOLLOW)
	atomicfile.RemoveUnlocked(c.dir, name+lockSuffix) // of a builder that was killed after it had made the entry
	return f, nil
}

// Remove removes the entry for a shard, if there is one.
func (c *indexCache) Remove(shard string) error {
	name, err := entryName(shard)
	if err == nil {
		if err = unix.Unlinkat(c.fd(), name, 0); err == unix.ENOENT {
			err = nil
		}
	}
	return err
}

// cacheEntry is an entry in the making. One of Commit and Abort must be called. It is not safe for concurrent use.
type cacheEntry struct {
	*atomicfile.File
	cache *indexCache
	name  string
}

// Create starts the entry for a shard. Several may be in the making for one shard: each is whole, and the last to be
// committed stays.
func (c *indexCache) Create(shard string) (*cacheEntry, error) {
	name, err := entryName(shard)
	if err == nil {
		c.sweep()
		var f *atomicfile.File
		f, err = atomicfile.Create(c.dir, name, atomicfile.Options{
			Perm: 0o600, Replace: true, Durable: atomicfile.Whole, Shared: true,
		})
		if err == nil {
			return &cacheEntry{f, c, name}, nil
		}
	}
	return nil, fmt.Errorf("index cache: %w", err)
}

// Commit makes the entry whole, puts it in the place of an older one for that shard, and removes entries that have not
// been used for long until the others are within the limit.
func (e *cacheEntry) Commit() error {
	if err := e.File.Commit(); err != nil {
		return fmt.Errorf("index cache: %w", err)
	}
	e.cache.evict(e.name)
	return nil
}

// Lock waits until no other process holds the lock of a shard's entry, takes it, and returns what releases it. A
// process that is about to build an index takes it first, and then looks again whether there is an entry now. The lock
// of a process that was killed is free.
func (c *indexCache) Lock(ctx context.Context, shard string) (unlock func(), err error) {
	name, err := entryName(shard)
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	name += lockSuffix
	fd := -1
	// The kernel's own waiting cannot be interrupted.
	err = retry.While(ctx, retry.Policy{}, retry.Is(unix.EWOULDBLOCK, errLockGone), func() (err error) {
		fd, err = c.tryLock(name)
		return err
	})
	if ctx.Err() != nil {
		if err == nil {
			c.unlock(fd, name)
		}
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	return func() { c.unlock(fd, name) }, nil
}

// errLockGone says that the process that held a lock has removed its file.
var errLockGone = errors.New("the lock was removed")

// tryLock takes a lock, or returns EWOULDBLOCK or errLockGone.
func (c *indexCache) tryLock(name string) (fd int, err error) {
	fd, err = unix.Openat(c.fd(), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, err
	}
	named, err := atomicfile.Lock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil && !named {
		err = errLockGone
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (c *indexCache) unlock(fd int, name string) {
	unix.Unlinkat(c.fd(), name, 0)
	unix.Close(fd)
}

// sweep removes the temporary files and locks that killed processes left. An error leaves them where they are.
func (c *indexCache) sweep() {
	for name, err := range atomicfile.Names(c.dir) {
		if err != nil {
			return
		}
		entry, ok := strings.CutSuffix(name, lockSuffix)
		if !ok {
			entry, ok = atomicfile.FinalName(name)
		}
		if ok && isEntry(entry) {
			atomicfile.RemoveUnlocked(c.dir, name)
		}
	}
}

// evict removes the entries that were used longest ago until all together are within the limit, but not the one to
// keep. A process that has one open or mapped can still read it. What was used when is kept in the directory, which
// all processes share; a cache of package lru would know of the uses of one process only.
func (c *indexCache) evict(keep string) {
	type entry struct {
		name string
		size int64
		used int64 // nanoseconds since 1970
	}
	var entries []entry
	var total int64
	for name, err := range atomicfile.Names(c.dir) {
		var stat unix.Stat_t
		if err != nil || !isEntry(name) || unix.Fstatat(c.fd(), name, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil ||
			stat.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		total += stat.Size
		if name != keep {
			entries = append(entries, entry{name, stat.Size, stat.Mtim.Nano()})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.used, b.used), strings.Compare(a.name, b.name))
	})
	for _, e := range entries {
		if total <= c.limit {
			return
		}
		if err := unix.Unlinkat(c.fd(), e.name, 0); err == nil || err == unix.ENOENT {
			total -= e.size
		}
	}
}
