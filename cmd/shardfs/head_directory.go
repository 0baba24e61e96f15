package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// writeSamples writes samples to a new directory, each in a directory of its own as a mount shows it, and returns how many
// there are. The directory gets its name when all is written and confirm finds nothing wrong; else nothing is left.
func writeSamples(ctx context.Context, u *ui.UI, dir string, samples iter.Seq2[pack.Sample, error],
	confirm func(context.Context) error) (n int, err error) {
	d, err := createDir(u, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Abort()) }()
	used := make(map[string]bool)
	for s, err := range samples {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil && !s.Empty() {
			n++
			if err = writeSample(d.Root, used, &s); err != nil {
				err = fmt.Errorf("-d %s: %w", dir, err)
			}
		}
		if err == nil && s.Free != nil {
			err = s.Free()
		}
		if err != nil {
			return n, err
		}
	}
	if err := confirm(ctx); err != nil {
		return n, err
	}
	if err := d.Commit(); err != nil {
		return n, fmt.Errorf("-d %s: %w", dir, err)
	}
	return n, nil
}

// createDir begins a directory, where nothing or an empty one is.
func createDir(u *ui.UI, dir string) (*atomicfile.Dir, error) {
	path, err := atomicfile.Follow(dir)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	var entries []os.DirEntry
	if err == nil {
		entries, err = os.ReadDir(path)
	}
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, ui.Usagef("-d %s: %w", dir, bare(err))
	case len(entries) > 0:
		err := ui.Usagef("-d %s: the directory is not empty", dir)
		return nil, ui.WithHint(err, "name one that is not there: it is made")
	case err == nil && isMountpoint(path):
		return nil, ui.WithHint(ui.Usagef("-d %s: it is a mountpoint", dir), "name a directory below it: it is made")
	}
	d, err := atomicfile.CreateDir(path, func(why string) { u.WarnOnce("%s: %s", dir, why) })
	switch {
	case errors.Is(err, atomicfile.ErrBusy):
		err = store.ErrBusy
	case errors.Is(err, fs.ErrNotExist):
		err = store.ErrNoDir
	}
	if err != nil {
		return nil, fmt.Errorf("-d %s: %w", dir, bare(err))
	}
	return d, nil
}

// bare returns an error without the path of what could not be written, which is that of a temporary file.
func bare(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) && path.Op != "read" {
		return path.Err
	}
	return err
}

// isMountpoint reports whether a directory is on another file system than the one above it, so that no other can take its
// place.
func isMountpoint(dir string) bool {
	var st, above unix.Stat_t
	return unix.Stat(dir, &st) == nil && unix.Stat(filepath.Dir(dir), &above) == nil && st.Dev != above.Dev
}

// writeSample writes a sample to its directory, whose path is that in a view: it never leaves root. Several samples of one
// path, such as those of two shards, become directories NAME~2, NAME~3; used has the paths of those before.
func writeSample(root *os.Root, used map[string]bool, s *pack.Sample) error {
	dir := s.Path
	for n := 2; used[dir]; n++ {
		dir = fmt.Sprintf("%s~%d", s.Path, n)
	}
	used[dir] = true
	err := root.MkdirAll(dir, 0o777)
	if err == nil && index.KeyOfPath(dir) != s.Key {
		err = root.WriteFile(path.Join(dir, index.KeyFile), []byte(s.Key), 0o666)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Key, bare(err))
	}
	buf := make([]byte, 256<<10)
	for _, m := range s.Members() {
		name := m.File.Name
		if _, _, ok := index.SplitFile(name); !ok {
			name = index.SampleFile(m.Ext) // of a plain folder
		}
		if err := writeMember(root, path.Join(dir, name), s.Base, m.File, buf); err != nil {
			return fmt.Errorf("%s.%s: %w", s.Key, m.Ext, bare(err))
		}
	}
	return nil
}

// writeMember writes a member to a file with its mode and time.
func writeMember(root *os.Root, name string, b pack.Base, file pack.DirFile, buf []byte) (err error) {
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	mode, modTime := file.Mode.Perm(), file.ModTime
	if file.Open == nil {
		m := b.Index.Member(file.Row)
		mode, modTime = fs.FileMode(m.Mode).Perm(), m.ModTime
		content, err := b.Index.Open(file.Row, b.Plain)
		if err != nil {
			return err
		}
		data := func(off int64) (index.Extent, bool) { return b.Index.Data(file.Row, off) }
		if err := pack.CopyData(to, content, content.Size(), data, buf); err != nil {
			return err
		}
	} else {
		content, err := file.Open()
		if err != nil {
			return err
		}
		if _, err := io.CopyBuffer(to, content, buf); err != nil {
			return errors.Join(err, content.Close())
		}
		if err := content.Close(); err != nil {
			return err
		}
	}
	if err := to.Chmod(mode); err != nil {
		return err
	}
	return root.Chtimes(name, modTime, modTime)
}
