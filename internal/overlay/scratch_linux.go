// Package overlay keeps changes over a shard.
//
// The changes lie in a scratch directory, in the layout of an overlayfs upper directory. A [Tree] makes them, on behalf
// of a mounted file system; an [Overlay] reads them together with the shard, in any process and at any time, and is what
// pack, status and run look at. The two share nothing but files, so whoever is killed loses nothing that had been
// written. [Layout] keeps changes without a mount: it lays samples out in real directories and tells afterwards what
// became of them.
//
// This is the only package that knows whether a file is the shard's or was changed.
package overlay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
)

// What can be wrong with a scratch directory.
var (
	ErrInUse   = errors.New("scratch directory in use")
	ErrForeign = errors.New("scratch directory of another shard")
	ErrScratch = errors.New("not a scratch directory")
)

// Scratch is a directory that holds what belongs to one mount or run: the changes, the index and a note of whose they
// are. Its directory is private to the user.
type Scratch struct {
	Dir  string // absolute
	lock *os.File
	note note
}

// note is what a scratch directory says of itself.
type note struct {
	Version    int          `json:"version"`
	Shard      string       `json:"shard"`            // its local path, absolute
	Name       string       `json:"name"`             // as the user gave it
	Origin     index.Origin `json:"origin"`           // of the shard
	Index      string       `json:"index,omitempty"`  // name of the index file
	Cache      string       `json:"cache,omitempty"`  // directory of index files; without it and Index the shard is indexed by everyone anew
	Truncated  bool         `json:"truncated"`        // the shard may be cut short
	Mountpoint string       `json:"mountpoint"`       // "" for none
	Temporary  bool         `json:"temporary"`        // to be removed with its mount
	Packed     string       `json:"packed,omitempty"` // stamp of the changes that were last packed
	Many       bool         `json:"many,omitempty"`   // many shards are mounted, and cannot be changed
	Marks      string       `json:"marks,omitempty"`  // prefix of overlayfs's marks in the upper directory
}

const noteVersion = 1

// TempPattern is what the names of temporary scratch directories look like.
const TempPattern = "shardfs-*"

// CreateScratch makes a scratch directory of dir, or goes on with the one that it is. It holds the scratch's lock until
// Close, so that no two processes change it. A temporary one is made with a new name in dir.
func CreateScratch(dir string, temporary bool) (*Scratch, error) {
	var err error
	if temporary {
		dir, err = os.MkdirTemp(dir, TempPattern)
	} else if err = os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		if err = checkEmptyOrOurs(dir); err == nil {
			err = os.Chmod(dir, 0o700)
		}
	}
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	// The mounts of a scratch are found by its name, so it has one only.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	s := &Scratch{Dir: dir}
	if s.lock, err = os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		s.lock.Close()
		return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	if err := s.readNote(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.lock.Close()
		return nil, err
	}
	s.note.Temporary = temporary
	if temporary {
		// From now on Sweep knows the directory for one of ours.
		s.note.Version = noteVersion
		if err := s.writeNote(); err != nil {
			return nil, errors.Join(err, s.Remove())
		}
	}
	return s, nil
}

// checkEmptyOrOurs refuses a directory that holds something else than a scratch, or is not the user's own.
func checkEmptyOrOurs(dir string) error {
	if err := checkOwner(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, "lock")); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s: %w: it is not empty", dir, ErrScratch)
	}
	return nil
}

// checkOwner refuses a scratch directory that another user could have prepared.
func checkOwner(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	switch {
	case !isDir(&st):
		return fmt.Errorf("%s: %w: it is no directory", dir, ErrScratch)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s: %w: it belongs to another user", dir, ErrScratch)
	}
	return nil
}

// OpenScratch opens a scratch directory for reading, whoever is using it.
func OpenScratch(dir string) (*Scratch, error) {
	if err := checkOwner(dir); err != nil {
		return nil, err
	}
	s := &Scratch{Dir: dir}
	return s, s.readNote()
}

// Bind says which shard the scratch is for and where it will be mounted. It refuses a shard that is not the one whose
// changes the scratch holds.
func (s *Scratch) Bind(sh *shard.Shard, mountpoint string) error {
	changed, err := s.HasChanges()
	if err != nil {
		return err
	}
	if changed && !s.note.Origin.Same(sh.Origin) {
		return fmt.Errorf("%s: %w: %s, or the shard was changed since", s.Dir, ErrForeign, s.note.Name)
	}
	s.note.Version, s.note.Shard, s.note.Name, s.note.Origin = noteVersion, sh.Path(), sh.Name, sh.Origin
	s.note.Mountpoint = mountpoint
	return s.writeNote()
}

// BindMany says where a mount of many shards is, which has no changes.
func (s *Scratch) BindMany(mountpoint string) error {
	s.note.Version, s.note.Many, s.note.Mountpoint = noteVersion, true, mountpoint
	return s.writeNote()
}

// Many reports whether the scratch is of a mount of many shards.
func (s *Scratch) Many() bool { return s.note.Many }

// HasChanges reports whether anything lies in the upper directory.
func (s *Scratch) HasChanges() (bool, error) {
	f, err := os.Open(s.path("upper"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err = f.Readdirnames(1); err == io.EOF {
		return false, nil
	}
	return true, err
}

// noteMarks takes note of how marks will be kept from now on.
func (s *Scratch) noteMarks(marks string) error {
	changed, err := s.HasChanges()
	if err != nil || s.note.Marks == marks {
		return err
	}
	if changed && s.note.Marks != "" {
		marks = mixedMarks
	}
	s.note.Marks = marks
	return s.writeNote()
}

// mixedMarks says that an upper directory has marks of both kinds, which overlayfs does not read.
const mixedMarks = "mixed"

// Upper is where overlayfs keeps changes.
type Upper struct {
	Dir       string // the upper directory
	Work      string // its work directory
	Below     string // an empty directory, to mount what the changes are over
	UserMarks bool   // marks are user.overlay.* and not trusted.overlay.*
}

// ErrMarks says that overlayfs would not understand the changes in a scratch directory.
var ErrMarks = errors.New("changes that overlayfs cannot go on with here")

// Upper readies the upper directory of a scratch that this process holds for overlayfs. What is noted of the scratch is made
// durable, so that what overlayfs makes durable is of use.
func (s *Scratch) Upper() (Upper, error) {
	u, err := openUpper(s.Dir, true)
	if err != nil {
		return Upper{}, err
	}
	defer u.close()
	if err := u.prepare(); err != nil {
		return Upper{}, fmt.Errorf("%s: %w", s.Dir, err)
	}
	changed, err := s.HasChanges()
	if err != nil {
		return Upper{}, err
	}
	if err := s.noteMarks(u.marks); err != nil {
		return Upper{}, err
	}
	up := Upper{Dir: s.path("upper"), Work: s.path("work"), Below: s.Below(), UserMarks: u.marks == userMarks}
	if changed && (s.note.Marks == mixedMarks || up.UserMarks) { // with its user's marks, overlayfs follows no redirects
		return Upper{}, ErrMarks
	}
	if err := os.Mkdir(up.Below, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return Upper{}, err
	}
	if !s.note.Temporary {
		err = syncNote(s.Dir)
	}
	return up, err
}

// Below returns the directory in the scratch on which the shard is mounted until overlayfs holds it.
func (s *Scratch) Below() string { return s.path("below") }

// Mountpoint returns where the scratch's changes are or were mounted; "" for nowhere.
func (s *Scratch) Mountpoint() string { return s.note.Mountpoint }

// Temporary reports whether the scratch goes with its mount.
func (s *Scratch) Temporary() bool { return s.note.Temporary }

// ShardName returns the name under which the user gave the shard.
func (s *Scratch) ShardName() string { return s.note.Name }

// UseIndex says how the shard is opened, now and by whoever opens the scratch later. Where no index would be kept for them
// it is kept in the scratch. It returns the options to open the shard with.
func (s *Scratch) UseIndex(o shard.Options) (shard.Options, error) {
	var err error
	s.note.Index, s.note.Cache, s.note.Truncated = "", "", o.AllowTruncated
	if o.NoIndex {
		return o, nil
	}
	if o.IndexFile == "" && !shard.CanKeep(o.CacheDir) {
		o.IndexFile, o.CacheDir = s.path("index"), ""
	}
	if o.IndexFile != "" {
		o.IndexFile, err = filepath.Abs(o.IndexFile)
	} else {
		o.CacheDir, err = filepath.Abs(o.CacheDir)
	}
	s.note.Index, s.note.Cache = o.IndexFile, o.CacheDir
	return o, err
}

// LogFile returns the name of the file for a background server's messages.
func (s *Scratch) LogFile() string { return s.path("log") }

// IsLive reports whether a process holds the scratch directory of that name.
func IsLive(dir string) bool { return (&Scratch{Dir: dir}).InUse() }

// InUse reports whether a process holds the scratch.
func (s *Scratch) InUse() bool {
	f, err := os.OpenFile(s.path("lock"), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0) // it may be another user's
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}

// OpenShard opens the shard that the scratch is for.
func (s *Scratch) OpenShard(ctx context.Context) (*shard.Shard, error) {
	sh, err := shard.Open(ctx, s.note.Shard, shard.Options{
		IndexFile: s.note.Index, CacheDir: s.note.Cache, NoIndex: s.note.Index == "" && s.note.Cache == "",
		AllowTruncated: s.note.Truncated,
	})
	if err != nil {
		return nil, err
	}
	sh.Name = s.note.Name
	if !sh.Origin.Same(s.note.Origin) {
		return nil, errors.Join(fmt.Errorf("%s: the shard was changed since it was mounted", s.note.Shard), sh.Close())
	}
	return sh, nil
}

// MarkPacked notes that the changes with this stamp have been packed.
func (s *Scratch) MarkPacked(stamp string) error {
	if err := s.readNote(); err != nil {
		return err
	}
	s.note.Packed = stamp
	return s.writeNote()
}

// Packed reports whether the changes with this stamp were packed.
func (s *Scratch) Packed(stamp string) bool { return s.note.Packed == stamp }

// Close releases the scratch and leaves it where it is.
func (s *Scratch) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Remove releases the scratch and removes it.
func (s *Scratch) Remove() error {
	return errors.Join(removeScratch(s.Dir), s.Close())
}

// removeScratch removes a scratch directory, its note last: if this process is killed meanwhile, Sweep still knows the rest for
// one of ours.
func removeScratch(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if name := e.Name(); name != noteFile && name != "lock" {
			err = errors.Join(err, removeTree(filepath.Join(dir, name)))
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeTree(dir)
}

// Sweep removes a temporary scratch directory whose process is gone, unless it holds changes that a mount would have kept.
// Detach is called first, to unmount what is mounted in it. Alone says that nobody else is making one just now.
func Sweep(dir string, alone bool, detach func(dir string) error) error {
	if err := checkOwner(dir); err != nil {
		return err
	}
	s, err := OpenScratch(dir)
	unfinished := errors.Is(err, fs.ErrNotExist) && isUnfinished(dir, alone)
	if err != nil && !unfinished || err == nil && !s.note.Temporary {
		return err
	}
	if s.lock, err = os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	defer s.lock.Close()
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // in use
	}
	// What was never bound to a shard is of a run, or of a mount that did not come about.
	if s.note.Shard != "" {
		if changed, err := s.HasChanges(); err != nil || changed {
			return err
		}
	}
	if err := detach(dir); err != nil {
		return err
	}
	return removeScratch(dir)
}

// isUnfinished reports whether a directory without a note is what a process has left that was killed while it made or removed
// a temporary scratch: nothing but what a scratch begins with, and nobody at work on it. An empty one is known by its name
// and mode, which are those of [os.MkdirTemp].
func isUnfinished(dir string, alone bool) bool {
	info, err := os.Stat(dir)
	if err != nil || !alone && time.Since(info.ModTime()) < time.Minute {
		return false
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != "lock" && e.Name() != noteFile+".new" {
			return false
		}
	}
	number := strings.TrimPrefix(filepath.Base(dir), strings.TrimSuffix(TempPattern, "*"))
	made := len(number) > 4 && strings.Trim(number, "0123456789") == "" && info.Mode().Perm() == 0o700
	return err == nil && (len(entries) > 0 || made)
}

func (s *Scratch) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Scratch) readNote() error {
	b, err := os.ReadFile(s.path(noteFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &s.note); err != nil || s.note.Version != noteVersion {
		return fmt.Errorf("%s: %w of this version", s.Dir, ErrScratch)
	}
	return nil
}

// noteFile is the name of the note in a scratch directory.
const noteFile = "note.json"

// writeNote replaces the note at once.
func (s *Scratch) writeNote() error {
	b, err := json.Marshal(s.note)
	if err != nil {
		return err
	}
	temp := s.path(noteFile + ".new")
	if err := os.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, s.path(noteFile))
}

// syncNote makes the note of a scratch directory durable, without which nothing else in it is of use.
func syncNote(dir string) error {
	for _, name := range []string{filepath.Join(dir, noteFile), dir} {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
