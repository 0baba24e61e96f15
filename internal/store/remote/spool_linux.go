package remote

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// spool is the file in which a resumable writer keeps all bytes, because the parts of an upload cannot be read back.
type spool struct {
	*atomicfile.File
	dir  *os.File
	path string // of what the file would become, which it never does
}

// newSpool begins the spool of an object in a directory.
func newSpool(dir, name string) (*spool, error) {
	s := &spool{path: filepath.Join(store.Absolute(dir), store.PartFile(name))}
	var err error
	if s.dir, err = os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
		return nil, bare(err)
	}
	o := atomicfile.Options{Resumable: true, Perm: 0o600}
	if s.File, err = atomicfile.Create(s.dir, filepath.Base(s.path), o); err != nil {
		s.dir.Close()
		if errors.Is(err, atomicfile.ErrBusy) {
			err = store.ErrBusy
		}
		return nil, bare(err)
	}
	return s, nil
}

// detach keeps the file.
func (s *spool) detach() error { return errors.Join(s.File.Detach(), s.dir.Close()) }

// remove removes the file. If the object is published, it removes what interrupted writers of it have left, too.
func (s *spool) remove(published bool) error {
	err := s.File.Abort()
	if published {
		err = errors.Join(err, s.File.RemoveLeftovers())
	}
	return errors.Join(err, s.dir.Close())
}

// unfinished is what the TempName of a writer tells of it.
type unfinished struct {
	writeID, upload string
	path, temp      string // of its spool
}

func (u unfinished) String() string {
	return strings.Join([]string{u.writeID, url.PathEscape(u.upload), u.temp, u.path}, " ")
}

// parseUnfinished parses a TempName of the writer of an object.
func parseUnfinished(name, text string) (u unfinished, ok bool) {
	fields := strings.SplitN(text, " ", 4)
	if len(fields) != 4 || filepath.Base(fields[3]) != store.PartFile(name) || !filepath.IsAbs(fields[3]) {
		return u, false
	}
	upload, err := url.PathUnescape(fields[1])
	return unfinished{writeID: fields[0], upload: upload, temp: fields[2], path: fields[3]}, err == nil
}

// OpenPart implements [store.Resumer].
func (s *Store) OpenPart(ctx context.Context, name, temp string) (store.Object, error) {
	u, ok := parseUnfinished(name, temp)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return file.Store{}.OpenPart(ctx, u.path, u.temp)
}

// HasPart implements [store.Resumer]. What interrupted writers have left is in the directories of their users, and found
// by its TempName only.
func (s *Store) HasPart(context.Context, string) bool { return false }

// TempName implements [store.Resumable].
func (w *writer) TempName() string {
	if w.spool == nil {
		return ""
	}
	return unfinished{w.writeID, w.transfer.upload, w.spool.path, w.spool.Name()}.String()
}

// Sync implements [store.Resumable]. What was uploaded need not be durable: it is sent again.
func (w *writer) Sync() error { return bare(w.spool.Sync()) }

// Detach implements [store.Resumable].
func (w *writer) Detach() error {
	if w.done {
		return nil
	}
	w.done = true
	w.transfer.finish(w.e.o.Ending)
	return bare(w.spool.detach())
}
