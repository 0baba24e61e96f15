package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
	"golang.org/x/sys/unix"
)

// check compares the content of an open file with the model. The file need not have a name any more.
func (h *handle) check() error {
	got, err := io.ReadAll(io.NewSectionReader(h.f, 0, 1<<40))
	if err == nil && string(got) != string(h.is.content) {
		err = fmt.Errorf("%s, held open, has %.60q, want %.60q", h.f.Name(), got, h.is.content)
	}
	return err
}

// compare compares a directory with the model.
func (m *model) compare(root string) error {
	var errs []error
	for _, h := range m.open {
		errs = append(errs, h.check())
	}
	links := map[*file]uint64{}
	for _, f := range m.files {
		links[f]++
	}
	seen := 0
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		seen++
		f := m.files[rel]
		switch {
		case e.IsDir() && m.dirs[rel]:
			return nil
		case f == nil:
			return fmt.Errorf("%s %q should not be there", e.Type(), rel)
		case links[f] != uint64(st.Nlink):
			return fmt.Errorf("%q has %d links, want %d", rel, st.Nlink, links[f])
		case f.link:
			if target, err := os.Readlink(name); target != f.target {
				return fmt.Errorf("%q leads to %q, %v, want %q", rel, target, err, f.target)
			}
			return nil
		case e.Type() != 0:
			return fmt.Errorf("%q is a %s", rel, e.Type())
		}
		got, err := os.ReadFile(name)
		if err == nil && (string(got) != string(f.content) || st.Size != int64(len(got))) {
			err = fmt.Errorf("%q has %d bytes, holds %d: %.60q, want %d: %.60q",
				rel, st.Size, len(got), got, len(f.content), f.content)
		}
		return err
	})
	if want := len(m.files) + len(m.dirs); err == nil && seen != want {
		err = fmt.Errorf("%d files and directories, want %d", seen, want)
	}
	return errors.Join(append(errs, err)...)
}

// compareFolders compares the directories that pack would see with the model.
func (m *model) compareFolders(mount *mounted) error {
	o := mount.overlay()
	listed := map[string]bool{}
	var folder func(f pack.Dir) error
	folder = func(f pack.Dir) error {
		if f.Path != "" && !m.dirs[f.Path] {
			return fmt.Errorf("folder %q should not be there", f.Path)
		}
		files := f.Files
		if f.Untouched {
			files = append(files, pack.MemberFiles(o.Shard.Index, *f.Sample, func(string) bool { return true })...)
		}
		for _, file := range files {
			name := path.Join(f.Path, file.Name)
			want := m.files[name]
			if want == nil || listed[name] {
				return fmt.Errorf("file %q should not be there, or not twice", name)
			}
			listed[name] = true
			var got []byte
			var err error
			switch {
			case want.link != (file.Mode&fs.ModeSymlink != 0):
				err = fmt.Errorf("a %v", file.Mode)
			case want.link:
				continue
			case file.Row == pack.Changed:
				var in fs.File
				if in, err = file.Open(); err == nil {
					got, err = io.ReadAll(in)
					in.Close()
				}
			default:
				got = make([]byte, file.Size)
				data, _ := o.Shard.Index.Content(file.Row)
				_, err = o.Shard.ReadAt(context.Background(), got, data)
			}
			if err != nil || string(got) != string(want.content) {
				return fmt.Errorf("file %q: %v, holds %.60q, want %.60q", name, err, got, want.content)
			}
		}
		for _, sub := range f.Dirs {
			if err := folder(sub); err != nil {
				return err
			}
		}
		return nil
	}
	for f, err := range o.Dirs() {
		if err == nil {
			err = folder(f)
		}
		if err != nil {
			return err
		}
		if f.Sample == nil {
			continue
		}
		// The directory of one sample says the same, where it has not been moved.
		one, there, err := o.SampleDir(f.Sample.Number)
		if !f.Renamed && (err != nil || !there || len(one.Files) != len(f.Files)) {
			return fmt.Errorf("folder of sample %d: %v, %v, want that of %q", f.Sample.Number, there, err, f.Path)
		}
	}
	for name, f := range m.files {
		base := path.Base(name)
		if !listed[name] && base != index.KeyFile && base != index.SourceFile {
			return fmt.Errorf("file %q is missing: %.60q", name, f.content)
		}
	}
	return nil
}
