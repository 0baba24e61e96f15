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

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// writeSamples writes samples to a new directory, each in a directory of its own as a mount shows it, and returns how many
// there are. The directory gets its name when all is written and confirm finds nothing wrong; else nothing is left.
func writeSamples(ctx context.Context, dir string, samples iter.Seq2[pack.Sample, error],
	confirm func(context.Context) error) (n int, err error) {
	dir = filepath.Clean(dir)
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return 0, ui.Usagef("-d %s: the directory is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, &ui.UsageError{Err: fmt.Errorf("-d %w", err)}
	}
	temp := filepath.Join(filepath.Dir(dir), fmt.Sprintf(".%s.shardfs-%d", filepath.Base(dir), os.Getpid()))
	if err := os.Mkdir(temp, 0o777); err != nil {
		return 0, fmt.Errorf("-d %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	root, err := os.OpenRoot(temp)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	used := make(map[string]bool)
	for s, err := range samples {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && !s.Empty() {
			n++
			err = writeSample(root, used, &s)
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
	if err := os.Rename(temp, dir); err != nil {
		return n, fmt.Errorf("-d %s: %w", dir, err)
	}
	return n, nil
}

// writeSample writes a sample to its directory, whose path is that in a view: it never leaves root. Several samples of one
// path, such as those of two shards, become directories NAME~2, NAME~3; used has the paths of those before.
func writeSample(root *os.Root, used map[string]bool, s *pack.Sample) error {
	dir := s.Path
	for n := 2; used[dir]; n++ {
		dir = fmt.Sprintf("%s~%d", s.Path, n)
	}
	used[dir] = true
	if err := root.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if index.KeyOfPath(dir) != s.Key {
		if err := root.WriteFile(path.Join(dir, index.KeyFile), []byte(s.Key), 0o666); err != nil {
			return err
		}
	}
	buf := make([]byte, 256<<10)
	for _, m := range s.Members() {
		if err := writeMember(root, path.Join(dir, m.File.Name), s.Base, m.File, buf); err != nil {
			return fmt.Errorf("%s.%s: %w", s.Key, m.Ext, err)
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
