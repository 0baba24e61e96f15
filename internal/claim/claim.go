// Package claim keeps a command from writing a file that it reads, and from writing one file twice.
//
// A command tells a [Files], before it begins to work, which files it will read and which it will write; [Files.Check]
// finds those that are the same. Files are compared by device and inode, so symbolic links, hard links, bind mounts and
// other spellings of a path do not matter. A file that does not exist yet is known by its directory and name there, and
// an object that is no local file by its URL.
package claim

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Files are the files of a command. The zero value has none.
type Files struct {
	read     map[identity]use
	dirs     []directory
	written  []written
	standard []written // files that are open already
}

// identity tells a file from all others.
type identity struct {
	device, inode uint64
	name          string // of a file in that directory that does not exist yet; or a URL
}

// use is what a file is for the command, and what to do about a command that would also write it.
type use struct{ what, hint string }

// directory is one whose files are read.
type directory struct {
	id    identity
	what  string
	depth int  // files must be that far below to be read
	any   bool // also files that do not exist yet
	whole bool // with all of its file system
}

// written is a file that is written.
type written struct {
	id   identity
	what string
	path string // of a local file, where links lead to; else ""

	message bool // it gets the messages of errors
	dir     bool // it is a directory
}

const hint = "write to another name, and then mv it"

// Read claims a file that is read, by its path or URL; what describes it. A missing file is ignored.
func (f *Files) Read(what, name string) { f.claim(use{what, hint}, name) }

// Mounted claims a file that a mount needs, by its path or URL; what describes it.
func (f *Files) Mounted(what, name string) { f.claim(use{what, hint + " after umount"}, name) }

func (f *Files) claim(u use, name string) {
	path, err := store.Path(name)
	if err != nil {
		f.add(identity{name: name}, u)
		return
	}
	if id, ok := existing(path); ok {
		f.add(id, u)
	}
}

// ReadFile claims an open file that is read, if it is a regular file.
func (f *Files) ReadFile(what string, file *os.File) {
	if id, ok := opened(file); ok {
		f.add(id, use{what, hint})
	}
}

func (f *Files) add(id identity, u use) {
	if f.read == nil {
		f.read = make(map[identity]use)
	}
	if before, ok := f.read[id]; !ok || before.hint == hint {
		f.read[id] = u
	}
}

// ReadBelow claims the files that exist in a directory, depth or more levels below it; 1 means all.
func (f *Files) ReadBelow(what, dir string, depth int) {
	f.below(directory{what: what, depth: depth}, dir)
}

// Own claims a directory for itself: nothing may be written in it, whether it exists or not.
func (f *Files) Own(what, dir string) { f.below(directory{what: what, depth: 1, any: true}, dir) }

// OwnMount claims a whole mount for itself, also where a part of it is seen at another place.
func (f *Files) OwnMount(what, dir string) {
	f.below(directory{what: what, depth: 1, any: true, whole: true}, dir)
}

func (f *Files) below(d directory, dir string) {
	if id, ok := existing(dir); ok {
		d.id = id
		f.dirs = append(f.dirs, d)
	}
}

// Write claims a file that is written, by its path or URL; what describes it.
func (f *Files) Write(what, name string) {
	w := written{what: what}
	path, err := store.Path(name)
	if err != nil {
		w.id.name = name
	} else {
		if target, err := atomicfile.Follow(path); err == nil {
			path = target // else the use of the file will return the error
		}
		w.path = path
		w.id = place(path)
	}
	f.written = append(f.written, w)
}

// WriteDir claims a directory that is written: it may be in no directory that is read, whether it exists or not, because what
// is written would be read. What describes it.
func (f *Files) WriteDir(what, name string) {
	if abs, err := filepath.Abs(name); err == nil {
		name = abs // the directory above . has another name
	}
	f.Write(what, name)
	f.written[len(f.written)-1].dir = true
}

// WriteFile claims an open file that is written, if it is a regular file.
func (f *Files) WriteFile(what string, file *os.File) {
	id, ok := opened(file)
	if !ok {
		return
	}
	w := written{id: id, what: what}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if now, ok := existing(path); err == nil && ok && now == id {
		w.path = path // else it has no name any more, or there is no /proc
	}
	f.written = append(f.written, w)
}

// Standard claims standard output and standard error, of those that are regular files. Each may also be claimed as
// another file that is written.
func (f *Files) Standard(out, err *os.File) {
	if id, ok := opened(err); ok { // first: after it there is no message
		f.standard = append(f.standard, written{id: id, what: "standard error", message: true})
	}
	if id, ok := opened(out); ok {
		f.standard = append(f.standard, written{id: id, what: "standard output"})
	}
}

// Writes reports whether any file is written.
func (f *Files) Writes() bool { return len(f.written)+len(f.standard) > 0 }

// Check returns a usage error that names both uses of a file that is written and also read, or written twice.
func (f *Files) Check() error {
	first := make(map[identity]string)
	for _, w := range f.written {
		if err := f.checkRead(w); err != nil {
			return err
		}
		if what, ok := first[w.id]; ok {
			return ui.WithHint(ui.Usagef("%s: it is the same file as %s", w.what, what), "give each a name of its own")
		}
		first[w.id] = w.what
		if w.path == "" {
			continue
		}
		if what, ok := f.holder(w); ok {
			return ui.WithHint(ui.Usagef("%s: it is in %s", w.what, what), "write to another directory")
		}
	}
	for _, w := range f.standard {
		if err := f.checkRead(w); err != nil && w.message {
			return ui.Reported(err) // nowhere: a message would be written to the file
		} else if err != nil {
			return err
		}
	}
	return nil
}

// checkRead returns a usage error if a file that is written is also read.
func (f *Files) checkRead(w written) error {
	if u, ok := f.read[w.id]; ok {
		return ui.WithHint(ui.Usagef("%s: it is the same file as %s", w.what, u.what), u.hint)
	}
	return nil
}

// holder returns the claimed directory that a written file is in.
func (f *Files) holder(w written) (what string, ok bool) {
	if len(f.dirs) == 0 {
		return "", false
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(w.path))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return "", false // there is no such directory, so nothing will be written
	}
	exists := w.id.name == ""
	for depth := 1; ; depth++ {
		id, _ := existing(dir)
		for _, d := range f.dirs {
			if (d.id == id || d.whole && d.id.device == id.device) && depth >= d.depth && (exists || d.any || w.dir) {
				return d.what, true
			}
		}
		if dir == "/" {
			return "", false
		}
		dir = filepath.Dir(dir)
	}
}

// existing returns the identity of the file that a path leads to. A directory needs no answer of the file system that
// is mounted there, whose server may be gone.
func existing(path string) (identity, bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st)
	return identity{device: unix.Mkdev(st.Dev_major, st.Dev_minor), inode: st.Ino}, err == nil
}

// opened returns the identity of an open regular file.
func opened(file *os.File) (identity, bool) {
	var st unix.Stat_t
	err := unix.Fstat(int(file.Fd()), &st)
	return identity{device: st.Dev, inode: st.Ino}, err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// place returns the identity of a file that may not exist yet.
func place(path string) identity {
	if id, ok := existing(path); ok {
		return id
	}
	id, ok := existing(filepath.Dir(path))
	id.name = filepath.Base(path)
	if !ok {
		id.name = filepath.Clean(path)
	}
	return id
}
