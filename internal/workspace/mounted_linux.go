package workspace

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/ramdisk"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// mounted is a private mount of a shard, served by another process. After a failed attempt a sample is copied for the
// next one, because the mount shows the changes of the failed attempt.
type mounted struct {
	*copied
	changes    *overlay.Overlay
	server     *server.Process
	mountpoint string
	root       *os.Root      // root of a mount by overlayfs; nil for FUSE
	memory     *ramdisk.Disk // that has the changes; nil: a disk has
	scratch    *scratch.Scratch
	ui         *ui.UI
}

// openMounted mounts the shard of c. After an error it leaves c as it is.
func openMounted(ctx context.Context, n source.Name, o Options, c *copied) (*mounted, error) {
	m := &mounted{copied: c, mountpoint: filepath.Join(c.dir.Dir, "mnt"), ui: o.Source.UI}
	if err := os.Mkdir(m.mountpoint, 0o700); err != nil {
		return nil, err
	}
	served := server.Options{
		Names: []string{n.Text}, Mountpoint: m.mountpoint, Scratch: filepath.Join(c.dir.Dir, "scratch"),
		SpoolDir: c.dir.Dir,
	}
	if c.copies.inMemory != nil {
		m.memory, served.Scratch = c.copies.memory, filepath.Join(c.copies.above, "scratch")
	}
	served.SetShardOptions(o.Source.Shard)
	var err error
	o.Server.Args = []string{"mount", n.String(), m.mountpoint} // for ps: the server ignores them
	if m.server, err = server.StartPrivate(ctx, o.Server, served); err != nil {
		return nil, errors.Join(err, mounts.DetachOf(served.Scratch)) // a killed server has left it
	}
	if err := m.open(served.Scratch); err != nil {
		return nil, errors.Join(err, m.server.Stop(), mounts.DetachOf(served.Scratch))
	}
	return m, nil
}

// open opens the changes in the server's scratch directory.
func (m *mounted) open(dir string) error {
	s, err := scratch.Open(dir)
	if err != nil {
		return err
	}
	m.scratch = s
	if m.changes, err = overlay.New(s, m.src.Shard); err != nil {
		return err
	}
	at, _, err := mounts.At(m.mountpoint)
	if err == nil && at.Type == overlayfs.Type {
		m.root, err = os.OpenRoot(m.mountpoint)
	}
	if err != nil {
		err = errors.Join(err, m.changes.Close())
	}
	return err
}

// Tasks implements kind.
func (m *mounted) Tasks() iter.Seq2[*Task, error] {
	return m.tasks(func(c *copiedPlace) place { return &mountedPlace{copiedPlace: c, mount: m} })
}

// Err implements kind. It asks the server, because a command may succeed although the server has ended.
func (m *mounted) Err() error {
	err := m.server.Err()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", m.src.Name, err)
	if log, openErr := os.Open(m.scratch.LogFile()); openErr == nil {
		defer log.Close()
		if why, n := ui.LastError(log); n > 0 {
			err = fmt.Errorf("%w: %s", err, why)
		}
	}
	return err
}

// Close implements kind.
func (m *mounted) Close() error { return errors.Join(m.stop(), m.copied.Close()) }

// stop unmounts and closes the changes.
func (m *mounted) stop() error {
	ended := m.server.Err() // Err has reported it, or it is too late to matter
	died := ended != nil && !errors.Is(ended, server.ErrRefused)
	if m.root != nil {
		m.root.Close()
	}
	if told, err := m.scratch.Ask(); err == nil && told.Stats != "" {
		m.ui.Detail("its mount: %s", told.Stats)
	}
	err := m.server.Stop()
	if died {
		err = nil // reported
	}
	// A server that was killed, even while it was unmounting, has left it.
	return errors.Join(err, mounts.DetachOf(m.scratch.Dir), m.changes.Close())
}

// mountedPlace is the directory of a sample in the mount, or from the second attempt on that of its copy.
type mountedPlace struct {
	*copiedPlace
	mount *mounted
	again bool        // use the copy
	use   ramdisk.Use // of the first command in the mount
}

// Prepare implements place.
func (p *mountedPlace) Prepare(ctx context.Context, attempt int) (string, error) {
	if memory := p.mount.memory; attempt == 1 && !p.again && (memory == nil || memory.Room(0)) {
		p.use = memory.Begin()
		return filepath.Join(p.mount.mountpoint, p.sample.Path), nil
	}
	p.again = true
	return p.copiedPlace.Prepare(ctx, attempt)
}

// Lacked implements place.
func (p *mountedPlace) Lacked(failed bool) bool {
	if p.again {
		return p.copiedPlace.Lacked(failed)
	}
	return p.use.Lacked(failed)
}

// Leave implements place.
func (p *mountedPlace) Leave() {
	p.again, p.onDisk = true, true
	p.Free() // if that fails, so does the last Free
}

// State implements place.
func (p *mountedPlace) State() (pack.Dir, bool, error) {
	if p.again {
		return p.copiedPlace.State()
	}
	return p.mount.changes.SampleDir(p.sample.Number)
}

// Discard implements place.
func (p *mountedPlace) Discard() error { return p.Free() }

// Free implements place.
func (p *mountedPlace) Free() error {
	return errors.Join(p.copiedPlace.Free(), p.mount.changes.Free(p.sample.Number, p.mount.root))
}
