package shard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/store"
)

// errUnsafeCache means that another user could have put a file into the cache. An index decides which bytes of a shard
// are which member's, so one of unknown origin is not used. The shard is then opened without a cache.
var errUnsafeCache = errors.New("unsafe index cache")

// Names in the cache. Files with other names are not touched.
const (
	entrySuffix = ".sfidx"
	entryDigits = 32
	lockSuffix  = ".lock"
)

// indexCache is a directory with an index file for each shard, named by a digest of the shard's path or URL. Every
// error may be ignored, and an entry may disappear at any time. The caller must compare an entry with its shard. An
// indexCache is safe for concurrent use, also by several processes.
//
// An entry is DIGEST.sfidx, where DIGEST is the first 32 hexadecimal digits of the SHA-256 of the shard's absolute path or
// URL; DIGEST.sfidx.lock is the lock of a process that builds it; temporary files are named by package atomicfile. The
// content of an entry has its own version, see package index.
type indexCache struct {
	dir    *os.File // the checked directory; names are relative to it, so replacing the directory has no effect
	shared *Shared
}

// openCache opens the cache in a directory, which it creates if missing. The error is errUnsafeCache if dir is a symbolic
// link, is not a directory, or if other users can write to it.
func openCache(dir string, shared *Shared) (*indexCache, error) {
	f, err := atomicfile.OpenOwnDir(dir)
	if errors.Is(err, atomicfile.ErrForeign) {
		return nil, fmt.Errorf("%w: %w", errUnsafeCache, err)
	}
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	return &indexCache{f, shared}, nil
}

// checkWriters checks that a descriptor is a regular file that only these users can write to.
func checkWriters(fd int, users ...int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	return atomicfile.CheckWriters(&stat, unix.S_IFREG, users...)
}

// Close closes the cache. All entries must be committed or aborted, and all locks released.
func (c *indexCache) Close() error { return c.dir.Close() }

func (c *indexCache) fd() int { return int(c.dir.Fd()) }

// entryName returns the name of the entry for a shard: a digest of its absolute path, or of its URL without the parts
// that may change from one use to the next.
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

// isEntry reports whether a file name is the name of an entry.
func isEntry(name string) bool {
	digits, ok := strings.CutSuffix(name, entrySuffix)
	return ok && len(digits) == entryDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// Open opens the entry for a shard, given by its name, and marks it as used. The error is fs.ErrNotExist if there is
// none, and errUnsafeCache if another user could have made it.
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
	if err := checkWriters(fd, os.Geteuid()); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", errUnsafeCache, name, err), f.Close())
	}
	// Only the order of removal depends on this, so an error, as in a read-only cache, does not matter.
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	unix.UtimesNanoAt(c.fd(), name, now, unix.AT_SYMLINK_NOFOLLOW)
	atomicfile.RemoveUnlocked(c.dir, name+lockSuffix) // of a process that was killed after Commit
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

// cacheEntry is an entry that is being written. The caller must call Commit or Abort. It is not safe for concurrent
// use.
type cacheEntry struct {
	*atomicfile.File
	cache *indexCache
	name  string
}

// Create starts an entry for a shard. Several may be written for one shard at the same time; the last one to be
// committed stays.
func (c *indexCache) Create(shard string) (*cacheEntry, error) {
	name, err := entryName(shard)
	if err == nil {
		if c.shared.sweeps(c.dir.Name()) {
			c.sweep()
		}
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

// Commit completes the entry, which replaces an older one for that shard, and removes the least recently used others
// until all are within the limit. The entry stays even if it alone is larger.
func (e *cacheEntry) Commit() error {
	if err := e.File.Commit(); err != nil {
		return fmt.Errorf("index cache: %w", err)
	}
	c := e.cache
	var stat unix.Stat_t
	err := unix.Fstatat(c.fd(), e.name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || !c.shared.fits(c.dir.Name(), stat.Size) {
		c.evict(e.name)
	}
	return nil
}

// Lock takes the lock of a shard's entry, waiting while another process holds it, and returns a function to release it.
// A process that is about to build an index takes the lock first, and then looks for an entry again. When a process is
// killed its locks are released.
func (c *indexCache) Lock(ctx context.Context, shard string) (unlock func(), err error) {
	name, err := entryName(shard)
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	name += lockSuffix
	fd := -1
	// A blocking flock could not be interrupted.
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

// errLockGone means that the process that held a lock has removed its file.
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
	if errors.Is(err, atomicfile.ErrNoLocks) {
		unix.Unlinkat(c.fd(), name, 0)
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

// sweep removes temporary files and locks of killed processes. It ignores errors.
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

// evict removes the least recently used entries, except keep, until the rest are within the limit. A process that has a
// removed entry open or mapped can still read it. What was used when is kept in the directory, which all processes
// share; a cache of package lru would know of the uses of one process only.
func (c *indexCache) evict(keep string) {
	c.shared.holds(c.dir.Name(), atomicfile.Evict(c.dir, isEntry, keep, c.shared.limit))
}
