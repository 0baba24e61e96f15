package shard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

func mustOpenCache(t *testing.T, dir string, limit int64) *indexCache {
	t.Helper()
	shared := newShared()
	shared.limit = limit
	c, err := openCache(dir, shared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// A builder that is interrupted leaves no lock.
func TestOpenCancelled(t *testing.T) {
	name, o := save(t, makeTar(t, 3, 100)), Options{CacheDir: filepath.Join(t.TempDir(), "cache")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Open(ctx, name, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("opened %v, %v", s, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), testtime.Limit(t, 2*time.Second))
	defer cancel()
	s, err := Open(ctx, name, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// put makes an entry with this content.
func put(c *indexCache, shard, content string) error {
	e, err := c.Create(shard)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(e, content); err != nil {
		return errors.Join(err, e.Abort())
	}
	return e.Commit()
}

func mustPut(t *testing.T, c *indexCache, shard, content string) {
	t.Helper()
	if err := put(c, shard, content); err != nil {
		t.Fatal(err)
	}
}

// get returns the content of the entry for a shard.
func get(c *indexCache, shard string) (string, error) {
	f, err := c.Open(shard)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// entryPath returns where the entry for a shard is.
func entryPath(t *testing.T, c *indexCache, shard string) string {
	t.Helper()
	name, err := entryName(shard)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(c.dir.Name(), name)
}

// cacheFiles returns the names of the files in a cache.
func cacheFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some/where")
	c := mustOpenCache(t, dir, 1<<20)
	for _, dir := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(dir); err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	if _, err := c.Open("/a.tar"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v, want %v", err, fs.ErrNotExist)
	}
	mustPut(t, c, "/a.tar", "one")
	mustPut(t, c, "/b.tar", "two")
	mustPut(t, c, "/a.tar", "three")
	for shard, want := range map[string]string{"/a.tar": "three", "/b.tar": "two"} {
		if got, err := get(c, shard); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", shard, got, err, want)
		}
	}
	e, err := c.Create("/b.tar")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(e, "half")
	for range 2 {
		if err := e.Abort(); err != nil {
			t.Error(err)
		}
	}
	if got, err := get(c, "/b.tar"); got != "two" || err != nil {
		t.Errorf("after Abort: %q, %v", got, err)
	}
	if names := cacheFiles(t, dir); len(names) != 2 {
		t.Errorf("files: %q, want two", names)
	}
	if info, err := os.Stat(entryPath(t, c, "/a.tar")); err != nil || info.Mode() != 0o600 {
		t.Errorf("entry: %v, %v", info, err)
	}
}

// A shard has one entry, under each of its names and for each reader.
func TestCacheEntryName(t *testing.T) {
	t.Chdir("/usr")
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"/usr/a.tar", "/usr/a.tar", true},
		{"/usr/a.tar", "a.tar", true},
		{"/usr/a.tar", "../usr/./a.tar", true},
		{"/usr/a.tar", "file:///usr/a.tar", true},
		{"/usr/a.tar", "/usr/b.tar", false},
		{"https://host/a.tar", "https://user:secret@host/a.tar?signature=1", true},
		{"https://host/a.tar", "https://other/a.tar", false},
		{"s3://bucket/a.tar", "gs://bucket/a.tar", false},
	} {
		a, errA := entryName(tt.a)
		b, errB := entryName(tt.b)
		if errA != nil || errB != nil || (a == b) != tt.same || !isEntry(a) {
			t.Errorf("%s: %s, %v; %s: %s, %v; want the same: %v", tt.a, a, errA, tt.b, b, errB, tt.same)
		}
	}
}

// A directory that others could have written to is not used, and stays as it is.
func TestCacheUnsafeDirectory(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.Mkdir(path("good"), 0o700),
		os.Mkdir(path("group"), 0o700), os.Chmod(path("group"), 0o770),
		os.Mkdir(path("others"), 0o700), os.Chmod(path("others"), 0o1777),
		os.WriteFile(path("file"), nil, 0o600),
		os.Symlink("good", path("link")),
		os.Symlink("nowhere", path("dangling")),
		unix.Mkfifo(path("fifo"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"group", "others", "file", "link", "link/", "link/.", "dangling",
		"fifo", "file/below"} {
		if c, err := openCache(dir+"/"+name, newShared()); !errors.Is(err, errUnsafeCache) {
			t.Errorf("%s: %v, want %v", name, err, errUnsafeCache)
			if err == nil {
				c.Close()
			}
		}
	}
	if names := cacheFiles(t, path("good")); len(names) != 0 {
		t.Errorf("files where the link leads: %q", names)
	}
	mustOpenCache(t, path("good"), 1<<20)
}

func TestCacheForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		skip.Without(t, "root, to give a file to another user")
	}
	dir := t.TempDir()
	c := mustOpenCache(t, dir, 1<<20)
	mustPut(t, c, "/a.tar", "one")
	if err := os.Chown(entryPath(t, c, "/a.tar"), 4321, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open("/a.tar"); !errors.Is(err, errUnsafeCache) {
		t.Errorf("entry: %v, want %v", err, errUnsafeCache)
	}
	mustPut(t, c, "/a.tar", "two")
	if got, err := get(c, "/a.tar"); got != "two" || err != nil {
		t.Errorf("made again: %q, %v", got, err)
	}
	if err := os.Chown(dir, 4321, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := openCache(dir, newShared()); !errors.Is(err, errUnsafeCache) {
		t.Errorf("directory: %v, want %v", err, errUnsafeCache)
	}
}

// A file with the name of an entry that another user could have made is not read, and is replaced, not written through.
func TestCacheUnsafeEntry(t *testing.T) {
	for story, plant := range map[string]func(entry, victim string) error{
		"symbolic link": func(entry, victim string) error { return os.Symlink(victim, entry) },
		"dangling link": func(entry, victim string) error { return os.Symlink("nowhere", entry) },
		"FIFO":          func(entry, _ string) error { return unix.Mkfifo(entry, 0o600) },
		"writable by group": func(entry, _ string) error {
			return errors.Join(os.WriteFile(entry, nil, 0o600), os.Chmod(entry, 0o620))
		},
		"writable by all": func(entry, _ string) error {
			return errors.Join(os.WriteFile(entry, nil, 0o600), os.Chmod(entry, 0o602))
		},
	} {
		c := mustOpenCache(t, t.TempDir(), 1<<20)
		victim := filepath.Join(t.TempDir(), "victim")
		err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), plant(entryPath(t, c, "/a.tar"), victim))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Open("/a.tar"); !errors.Is(err, errUnsafeCache) {
			t.Errorf("%s: %v, want %v", story, err, errUnsafeCache)
		}
		mustPut(t, c, "/a.tar", "one")
		if got, err := get(c, "/a.tar"); got != "one" || err != nil {
			t.Errorf("%s: made again: %q, %v", story, got, err)
		}
		if got, err := os.ReadFile(victim); string(got) != "precious" || err != nil {
			t.Errorf("%s: the link's target: %q, %v", story, got, err)
		}
	}
	// A directory is not an entry, and is not removed.
	c := mustOpenCache(t, t.TempDir(), 1<<20)
	if err := os.Mkdir(entryPath(t, c, "/a.tar"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open("/a.tar"); !errors.Is(err, errUnsafeCache) {
		t.Errorf("directory: %v, want %v", err, errUnsafeCache)
	}
	if err := put(c, "/a.tar", "one"); err == nil {
		t.Error("an entry in place of a directory: no error")
	}
	if names := cacheFiles(t, c.dir.Name()); len(names) != 1 {
		t.Errorf("files: %q", names)
	}
}

// Replacing the directory by a link later has no effect.
func TestCacheDirectoryReplaced(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "cache")
	c := mustOpenCache(t, dir, 1<<20)
	err := errors.Join(
		os.Rename(dir, filepath.Join(parent, "moved")),
		os.Mkdir(filepath.Join(parent, "trap"), 0o700),
		os.Symlink("trap", dir),
	)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "/a.tar", "one")
	if got, err := get(c, "/a.tar"); got != "one" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if names := cacheFiles(t, filepath.Join(parent, "trap")); len(names) != 0 {
		t.Errorf("files in the trap: %q", names)
	}
}

// The least recently used entries are removed first; the new one, and files that are not entries, never are.
func TestCacheEvict(t *testing.T) {
	dir := t.TempDir()
	c := mustOpenCache(t, dir, 300)
	block := strings.Repeat("x", 100)
	use := func(shard string, minute int) {
		t.Helper()
		when := time.Unix(1_500_000_000+60*int64(minute), 0)
		if err := os.Chtimes(entryPath(t, c, shard), when, when); err != nil {
			t.Fatal(err)
		}
	}
	held := func() (shards string) {
		for _, shard := range []string{"/a", "/b", "/c", "/d", "/e", "/f"} {
			if _, err := os.Lstat(entryPath(t, c, shard)); err == nil {
				shards += shard[1:]
			}
		}
		return shards
	}
	check := func(story, want string) {
		t.Helper()
		if got := held(); got != want {
			t.Errorf("%s: entries %q, want %q", story, got, want)
		}
	}
	strangers := []string{"notes.txt", "0123.sfidx", strings.Repeat("A", 32) + ".sfidx",
		"." + strings.Repeat("0", 32) + ".sfidx"}
	for _, name := range strangers {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 10_000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := strings.Repeat("0", 32) + ".sfidx"
	if err := os.Symlink("notes.txt", filepath.Join(dir, link)); err != nil {
		t.Fatal(err)
	}
	for i, shard := range []string{"/b", "/a", "/c"} {
		mustPut(t, c, shard, block)
		use(shard, i)
	}
	check("within the limit", "abc")
	// Reading counts as use: b was the oldest.
	opened, err := c.Open("/b")
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	mustPut(t, c, "/d", block)
	check("one too many", "bcd")
	use("/b", -1)
	mustPut(t, c, "/e", block)
	check("another", "cde")
	if got, err := io.ReadAll(opened); string(got) != block || err != nil {
		t.Errorf("an entry that was open when it was removed: %q, %v", got, err)
	}
	mustPut(t, c, "/c", strings.Repeat("x", 200))
	check("an entry that grew", "ce")
	mustPut(t, c, "/f", strings.Repeat("x", 1000))
	check("one that alone is over the limit", "f")
	names := cacheFiles(t, dir)
	for _, name := range append(strangers, link) {
		if !slices.Contains(names, name) {
			t.Errorf("%s was removed", name)
		}
	}
}

// TestCacheHelper is what the stories with several processes start: it does as CACHE_TEST says in the directory after
// it.
func TestCacheHelper(t *testing.T) {
	what, dir, _ := strings.Cut(os.Getenv("CACHE_TEST"), " ")
	if what == "" {
		return // this process was not started for that
	}
	c := mustOpenCache(t, dir, 1<<20)
	switch what {
	case "die":
		if _, err := c.Lock(t.Context(), "/a.tar"); err != nil {
			t.Fatal(err)
		}
		e, err := c.Create("/a.tar")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(e, "half")
		unix.Kill(unix.Getpid(), unix.SIGKILL)
	case "build":
		hammer(t, c, "process")
	}
}

func helper(t *testing.T, what, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCacheHelper$")
	cmd.Env = append(os.Environ(), "CACHE_TEST="+what+" "+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// hammer makes and reads one entry many times, and checks that it is always whole.
func hammer(t *testing.T, c *indexCache, who string) {
	for i := range 60 {
		if err := put(c, "/a.tar", strings.Repeat(fmt.Sprintf("%s %d\n", who, i%10), 2000)); err != nil {
			t.Error(err)
		}
		got, err := get(c, "/a.tar")
		first, _, _ := strings.Cut(got, "\n")
		if err != nil || first == "" || got != strings.Repeat(first+"\n", 2000) {
			t.Errorf("%s read %d bytes that begin with %q, %v", who, len(got), first, err)
		}
	}
}

// Several goroutines and processes make one entry at once: what is read is always one of theirs, whole.
func TestCacheTogether(t *testing.T) {
	dir := t.TempDir()
	c := mustOpenCache(t, dir, 1<<20)
	other := helper(t, "build", dir)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { hammer(t, c, fmt.Sprintf("goroutine %d", i)) })
	}
	wg.Wait()
	if err := other.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	if names := cacheFiles(t, dir); len(names) != 1 || !isEntry(names[0]) {
		t.Errorf("files left: %q", names)
	}
}

// Files and locks of a killed process are removed by the next process; entries that are being written are not.
func TestCacheLeftovers(t *testing.T) {
	dir := t.TempDir()
	killed := helper(t, "die", dir)
	if err := killed.Run(); err == nil || killed.ProcessState.Exited() {
		t.Fatalf("the process was not killed: %v", err)
	}
	if names := cacheFiles(t, dir); len(names) != 2 {
		t.Fatalf("the killed process left %q, want a temporary file and a lock", names)
	}
	strangers := []string{".notes.sfidx.shardfs-ABC", "notes.lock"}
	for _, name := range strangers {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := mustOpenCache(t, dir, 1<<20)
	unlock, err := c.Lock(t.Context(), "/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.Create("/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Create("/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	if names := cacheFiles(t, dir); len(names) != 3+len(strangers) {
		t.Errorf("files: %q, want two in the making, a lock and %q", names, strangers)
	}
	io.WriteString(first, "first")
	io.WriteString(second, "second")
	if err := errors.Join(second.Commit(), first.Commit()); err != nil {
		t.Error(err)
	}
	unlock()
	if got, err := get(c, "/a.tar"); got != "first" || err != nil {
		t.Errorf("%q, %v, want what was committed last", got, err)
	}
	if names := cacheFiles(t, dir); len(names) != 1+len(strangers) {
		t.Errorf("files left: %q", names)
	}
}

// The lock of a builder that was killed after Commit is removed when the entry is used; a held lock stays.
func TestCacheLockLeft(t *testing.T) {
	dir := t.TempDir()
	c := mustOpenCache(t, dir, 1<<20)
	if err := put(c, "/a.tar", "content"); err != nil {
		t.Fatal(err)
	}
	unlock, err := c.Lock(t.Context(), "/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(c, "/a.tar"); err != nil || len(cacheFiles(t, dir)) != 2 {
		t.Errorf("%v, and left are %q, want the entry and its lock", err, cacheFiles(t, dir))
	}
	unlock()
	name, err := entryName("/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+lockSuffix), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := get(c, "/a.tar"); err != nil || len(cacheFiles(t, dir)) != 1 {
		t.Errorf("%v, and left are %q, want the entry", err, cacheFiles(t, dir))
	}
}

// A second builder waits for the first one, until its context ends; another shard's does not.
func TestCacheLock(t *testing.T) {
	dir := t.TempDir()
	c := mustOpenCache(t, dir, 1<<20)
	unlock, err := c.Lock(t.Context(), "/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.Lock(t.Context(), "/b.tar")
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond/2)
	defer cancel()
	if _, err := c.Lock(ctx, "/a.tar"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is held: %v, want %v", err, context.DeadlineExceeded)
	}
	if err := put(c, "/b.tar", ""); err != nil { // sweeps
		t.Fatal(err)
	}

	held, most := 1, 1 // guarded by mu
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			unlock, err := c.Lock(t.Context(), "/a.tar")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			held++
			most = max(most, held)
			mu.Unlock()
			if err := put(c, "/a.tar", "one"); err != nil {
				t.Error(err)
			}
			mu.Lock()
			held--
			mu.Unlock()
			unlock()
		})
	}
	mu.Lock()
	held--
	mu.Unlock()
	unlock()
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once", most)
	}
	if names := cacheFiles(t, dir); len(names) != 2 {
		t.Errorf("files: %q, want the entries alone", names)
	}
}

// A symbolic link in place of the lock is not followed.
func TestCacheLockLink(t *testing.T) {
	c := mustOpenCache(t, t.TempDir(), 1<<20)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, entryPath(t, c, "/a.tar")+lockSuffix); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lock(t.Context(), "/a.tar"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("%v, want %v", err, unix.ELOOP)
	}
	if _, err := os.Lstat(victim); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the link's target: %v", err)
	}
}

// A full or read-only disk is an error, and no files are left or removed.
func TestCacheDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		skip.Without(t, "a small file system: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	c := mustOpenCache(t, dir, 1<<30)
	mustPut(t, c, "/a.tar", "one")
	if err := put(c, "/a.tar", strings.Repeat("x", 2<<20)); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("full: %v, want %v", err, unix.ENOSPC)
	}
	if got, err := get(c, "/a.tar"); got != "one" || err != nil {
		t.Errorf("full: %q, %v", got, err)
	}
	if names := cacheFiles(t, dir); len(names) != 1 {
		t.Errorf("files left: %q", names)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	readOnly := mustOpenCache(t, dir, 1<<30)
	if err := put(readOnly, "/a.tar", "two"); !errors.Is(err, unix.EROFS) {
		t.Errorf("read-only: %v, want %v", err, unix.EROFS)
	}
	if _, err := readOnly.Lock(t.Context(), "/a.tar"); !errors.Is(err, unix.EROFS) {
		t.Errorf("read-only: lock: %v, want %v", err, unix.EROFS)
	}
	if got, err := get(readOnly, "/a.tar"); got != "one" || err != nil {
		t.Errorf("read-only: %q, %v", got, err)
	}
}
