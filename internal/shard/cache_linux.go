package shard

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
)

// ErrUnsafeCache says that somebody else could have put an index file where ours are kept. An index says which bytes of a
// shard are whose, so a foreign one is not to be believed. The answer is always to go on without a cache.
var ErrUnsafeCache = errors.New("unsafe index cache")

// Names in the cache. Whatever has another one is not ours, and left alone.
const (
	entrySuffix = ".sfidx"
	entryDigits = 32
	lockSuffix  = ".lock"
	tempInfix   = ".shardfs-"
)

// Cache is a directory of index files, one for each shard, named after where the shard is. It is a memory, not a record:
// every error may be ignored, and an entry may be gone at any time. What it says of a shard has still to be compared with
// that shard. A Cache is safe for concurrent use, also by several processes.
type Cache struct {
	// dir is the directory that was checked. All that is done is done relative to it, so whoever replaces the directory,
	// or one above it, changes nothing for us.
	dir   *os.File
	limit int64
}

// OpenCache opens the cache in a directory, which is made if it is missing. Limit is how many bytes the entries may have
// together; the one made last is kept even if it alone has more.
//
// The error is ErrUnsafeCache where dir is a symbolic link, is no directory, or where others than we can write to it.
func OpenCache(dir string, limit int64) (*Cache, error) {
	dir = filepath.Clean(dir) // a slash at the end would make the kernel follow a link
	mkdirErr := os.MkdirAll(dir, 0o700)
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.ENOTDIR || err == unix.ELOOP:
		return nil, fmt.Errorf("%w: %s is not a directory", ErrUnsafeCache, dir)
	case err != nil && mkdirErr != nil:
		return nil, fmt.Errorf("index cache: %w", mkdirErr)
	case err != nil:
		return nil, fmt.Errorf("index cache: %s: %w", dir, err)
	}
	c := &Cache{dir: os.NewFile(uintptr(fd), dir), limit: limit}
	if err := onlyOurs(fd, unix.S_IFDIR); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", ErrUnsafeCache, dir, err), c.Close())
	}
	return c, nil
}

// onlyOurs checks that a descriptor is a file of the given type that nobody but us can write to.
func onlyOurs(fd int, kind uint32) error {
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
func (c *Cache) Close() error { return c.dir.Close() }

func (c *Cache) fd() int { return int(c.dir.Fd()) }

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
// none, and ErrUnsafeCache where what is there cannot be ours.
func (c *Cache) Open(shard string) (*os.File, error) {
	name, err := entryName(shard)
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	fd, err := unix.Openat(c.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ELOOP {
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrUnsafeCache, name)
	}
	if err != nil {
		return nil, fmt.Errorf("index cache: %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), filepath.Join(c.dir.Name(), name))
	if err := onlyOurs(fd, unix.S_IFREG); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s %w", ErrUnsafeCache, name, err), f.Close())
	}
	// The order in which entries are removed depends on this, no more: a read-only cache serves as well.
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	unix.UtimesNanoAt(c.fd(), name, now, unix.AT_SYMLINK_NOFOLLOW)
	c.removeUnheld(name + lockSuffix) // of a builder that was killed when the entry was there
	return f, nil
}

// Remove removes the entry for a shard, if there is one.
func (c *Cache) Remove(shard string) error {
	name, err := entryName(shard)
	if err == nil {
		if err = unix.Unlinkat(c.fd(), name, 0); err == unix.ENOENT {
			err = nil
		}
	}
	return err
}

// CacheEntry is an entry in the making. One of Commit and Abort must be called. It is not safe for concurrent use.
type CacheEntry struct {
	cache *Cache
	file  *os.File // under a temporary name
	name  string   // final
	done  bool     // committed or aborted
}

// Create starts the entry for a shard. Several may be in the making for one shard: each is whole, and the last to be
// committed stays.
func (c *Cache) Create(shard string) (*CacheEntry, error) {
	name, err := entryName(shard)
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	c.sweep()
	for {
		temp := "." + name + tempInfix + rand.Text()
		fd, err := unix.Openat(c.fd(), temp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("index cache: %w", err)
		}
		e := &CacheEntry{cache: c, file: os.NewFile(uintptr(fd), temp), name: name}
		ours, err := flock(fd, unix.LOCK_EX)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("index cache: %w", err), e.Abort())
		}
		if ours {
			return e, nil
		}
		// Another process was quicker and took it for a leftover.
		e.file.Close()
	}
}

// Write appends to the entry.
func (e *CacheEntry) Write(p []byte) (int, error) { return e.file.Write(p) }

// Commit makes the entry durable, puts it in the place of an older one for that shard, and removes entries that have not
// been used for long until the rest is within the limit.
func (e *CacheEntry) Commit() error {
	err := e.file.Sync()
	if err == nil {
		err = unix.Renameat(e.cache.fd(), e.file.Name(), e.cache.fd(), e.name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("index cache: %w", err), e.Abort())
	}
	e.done = true
	e.cache.evict(e.name)
	return e.file.Close()
}

// Abort removes the entry in the making. After Commit it does nothing.
func (e *CacheEntry) Abort() error {
	if e.done {
		return nil
	}
	e.done = true
	err := unix.Unlinkat(e.cache.fd(), e.file.Name(), 0)
	if err == unix.ENOENT {
		err = nil
	}
	return errors.Join(err, e.file.Close())
}

// lockPoll is how often a builder that waits for another one looks. The kernel's own waiting cannot be given up.
const lockPoll = 50 * time.Millisecond

// Lock waits until nobody else holds the lock of a shard's entry, takes it, and returns what gives it back. Whoever is
// about to build an index takes it first and then looks once more whether there is an entry now. The lock of a builder that
// was killed is free.
func (c *Cache) Lock(ctx context.Context, shard string) (unlock func(), err error) {
	name, err := entryName(shard)
	if err != nil {
		return nil, fmt.Errorf("index cache: %w", err)
	}
	name += lockSuffix
	for {
		fd, err := unix.Openat(c.fd(), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("index cache: %w", err)
		}
		ours, err := flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if ours {
			return func() {
				unix.Unlinkat(c.fd(), name, 0)
				unix.Close(fd)
			}, nil
		}
		unix.Close(fd)
		switch err {
		case nil:
			continue // whoever held it has removed it
		case unix.EWOULDBLOCK:
		default:
			return nil, fmt.Errorf("index cache: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

// flock locks a file and reports whether it still has a name: the one before may have removed it while it was waited for.
// A lock tells what is in use from what a killed process left.
func flock(fd, how int) (ours bool, err error) {
	for {
		err = unix.Flock(fd, how)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return false, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return false, err
	}
	return stat.Nlink > 0, nil
}

// names returns what lies in the cache.
func (c *Cache) names() []string {
	// A descriptor of its own: the position in a listing is shared by all who use one.
	fd, err := unix.Openat(c.fd(), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	dir := os.NewFile(uintptr(fd), ".")
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return names
}

// sweep removes the temporary files and locks that killed processes left. It is a courtesy: an error leaves them.
func (c *Cache) sweep() {
	for _, name := range c.names() {
		entry, isLock := strings.CutSuffix(name, lockSuffix)
		if !isLock {
			hidden, _, isTemp := strings.Cut(name, tempInfix)
			if entry = strings.TrimPrefix(hidden, "."); !isTemp || entry == hidden {
				continue
			}
		}
		if !isEntry(entry) {
			continue
		}
		c.removeUnheld(name)
	}
}

// removeUnheld removes a temporary file or lock that nobody holds, if it is there.
func (c *Cache) removeUnheld(name string) {
	fd, err := unix.Openat(c.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	// A lock that is given back and taken again meanwhile is another file of the same name; only ours is removed.
	if ours, _ := flock(fd, unix.LOCK_EX|unix.LOCK_NB); ours {
		unix.Unlinkat(c.fd(), name, 0)
	}
	unix.Close(fd)
}

// evict removes the entries that were used longest ago until all together are within the limit, but not the one to keep.
// Who has one open or mapped can go on reading it.
func (c *Cache) evict(keep string) {
	type entry struct {
		name string
		size int64
		used int64 // nanoseconds since 1970
	}
	var entries []entry
	var total int64
	for _, name := range c.names() {
		var stat unix.Stat_t
		if !isEntry(name) || unix.Fstatat(c.fd(), name, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil ||
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
