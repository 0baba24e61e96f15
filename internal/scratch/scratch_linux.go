// Package scratch keeps the scratch directories of mounts and runs.
//
// A scratch directory has the files of one mount or run: the changes over a shard, in the layout of an overlayfs upper
// directory (see internal/overlay), an index if none is kept elsewhere, a log, and a manifest with the shard that the
// changes belong to and the mountpoint. The process that uses it holds its lock, so only one process changes it; any
// process may open it for reading. A temporary scratch directory is removed with its mount or run, and [Sweep] removes
// those of killed processes, but never one that holds changes of a mount.
//
// The manifest is the file note.json. The history of its format:
//
//   - version 1: version, shard, name, origin, index, truncated, mountpoint, temporary
//   - packed, cache, many and marks came later; a manifest without them is valid
//   - hex: by field, the bytes in hexadecimal of texts that are not UTF-8
//   - kernel: the mount needs no process; absent if it does
//   - device: the number of the mount's device while it is mounted, by which it is recognized wherever it is moved
//   - made: tells the directory of the mountpoint from others; absent unless mount has made it
//   - secret: the name of the shard had credentials, which are not kept; absent if it had none
//
// A reader ignores unknown fields, so the version is still 1.
package scratch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Errors about scratch directories.
var (
	ErrInUse      = errors.New("scratch directory in use")
	ErrOtherShard = errors.New("scratch directory of another shard")
	ErrReplaced   = errors.New("the shard was changed since it was mounted")
	ErrNotScratch = errors.New("not a scratch directory")
	ErrNoTemp     = errors.New("no such directory, and temporary files go there")

	// ErrOverwritten is the ErrReplaced of a remote shard, of which nobody has the old bytes any more.
	ErrOverwritten = fmt.Errorf("%w, and only changed files can still be read", ErrReplaced)
)

// Scratch is an opened scratch directory. The directory is private to the user. A Scratch is not safe for concurrent
// use.
type Scratch struct {
	Dir      string   // absolute
	lock     *os.File // nil if it was opened for reading
	named    bool     // lock names this process, because it cannot be locked
	weak     string   // see Weak
	manifest manifest
	hangUp   func() // ends what Listen has begun; nil if that was not called
}

// TempPattern matches the base names of temporary scratch directories.
const TempPattern = "shardfs-*"

// The names of the files and directories in a scratch directory.
const (
	LockFile   = "lock" // held by the process that uses the directory
	indexFile  = "index"
	logFile    = "log"
	shardsFile = "shards" // the names of many, each followed by NUL except the last
	upperDir   = "upper"
	workDir    = "work"
	lowerDir   = "below"
	imageDir   = "image"
)

// The files that a server mounts in the directory Image.
const (
	NamesFile = "shardfs.erofs" // the names of a shard as an EROFS image
	BytesFile = "shardfs.bytes" // its plain bytes
)

// Create creates the scratch directory dir, and those above it, or opens an existing one, and locks it until Close. Its
// kind becomes Kept, even if it was temporary. The error is ErrInUse if another process holds it, and ErrNotScratch if dir has other
// contents, or other users may have put some there.
func Create(dir string) (*Scratch, error) {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(dir), 0o700); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		err = reuse(dir)
	}
	if err != nil {
		return nil, err
	}
	return lockDir(dir, Kept)
}

// Chmod gives a file permissions, unless it has them already: some file systems know only one mode.
func Chmod(name string, mode fs.FileMode) error {
	if info, err := os.Lstat(name); err == nil && info.Mode().Perm() == mode {
		return nil
	}
	return os.Chmod(name, mode)
}

// CreateTemp creates a temporary scratch directory with a new name in the directory in, and locks it until Close.
func CreateTemp(in string) (*Scratch, error) {
	dir, err := os.MkdirTemp(in, TempPattern)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", in, ErrNoTemp)
	case err != nil:
		return nil, err
	}
	s, err := lockDir(dir, Temporary)
	if err != nil {
		return nil, err
	}
	// With a manifest, Sweep recognizes the directory.
	if err := s.writeManifest(); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// lockDir locks a scratch directory and reads its manifest, if there is one yet.
func lockDir(dir string, kind Kind) (*Scratch, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// The mounts of a scratch directory are found by its name, so it must have only one name.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	s := &Scratch{Dir: dir}
	if err := s.hold(true); err != nil {
		return nil, err
	}
	if err := s.readManifest(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, s.release())
	}
	s.manifest.kind = kind
	return s, nil
}

// Open opens a scratch directory for reading, even while another process holds it.
func Open(dir string) (*Scratch, error) {
	if err := checkClosed(dir); err != nil {
		return nil, err
	}
	s := &Scratch{Dir: dir}
	return s, s.readManifest()
}

// Kind returns what kind of scratch directory it is.
func (s *Scratch) Kind() Kind { return s.manifest.kind }

// Temporary reports whether the scratch directory is removed with its mount or run.
func (s *Scratch) Temporary() bool { return s.manifest.kind != Kept }

// HasChanges reports whether the upper directory has any entries.
func (s *Scratch) HasChanges() (bool, error) {
	f, err := os.Open(s.Upper())
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

// Here returns where the scratch directory is now, if this process holds it: it may have been renamed.
func (s *Scratch) Here() string {
	lock, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.lock.Fd()))
	if err != nil {
		return s.Dir
	}
	return filepath.Dir(lock)
}

// Upper returns the directory of the changes, which internal/overlay writes.
func (s *Scratch) Upper() string { return s.path(upperDir) }

// Work returns the directory, in the same file system as Upper, for files that are moved to Upper when they are
// complete.
func (s *Scratch) Work() string { return s.path(workDir) }

// Lower returns the directory at which the shard is mounted until overlayfs holds that mount.
func (s *Scratch) Lower() string { return s.path(lowerDir) }

// Image returns the directory at which the server of an EROFS mount shows NamesFile and BytesFile until the kernel holds
// them.
func (s *Scratch) Image() string { return s.path(imageDir) }

// OfImage returns the scratch directory with a name of a NamesFile; false for the name of another file.
func OfImage(name string) (dir string, ok bool) {
	return strings.CutSuffix(name, "/"+imageDir+"/"+NamesFile)
}

// LogFile returns the name of the log file of a server in the background.
func (s *Scratch) LogFile() string { return s.path(logFile) }

// Close unlocks the scratch directory and ends what Listen began, but does not remove the directory.
func (s *Scratch) Close() error {
	if s.hangUp != nil {
		s.hangUp()
		s.hangUp = nil
	}
	return s.release()
}

// Remove removes the scratch directory and unlocks it.
func (s *Scratch) Remove() error {
	return errors.Join(removeScratch(s.Dir), s.Close())
}

func (s *Scratch) path(name string) string { return filepath.Join(s.Dir, name) }
