package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/store"
)

// mountOptions are the flags of mount.
type mountOptions struct {
	foreground bool
	readOnly   bool
	options    []string
	scratch    string
	from       shardFlags
}

func newMount(ui *ui) *cobra.Command {
	var o mountOptions
	cmd := &cobra.Command{
		Use:   "mount [flags] SHARD MOUNTPOINT",
		Short: "Show a shard's samples as directories",
		Long: `Mount shows each sample of a shard as a directory that holds __key__, __source__
and sample.EXTENSION for each member, readable and writable. The shard itself is
never changed: changes go to a scratch directory, where pack finds them. Mount
returns when the mount is ready and leaves a process behind to serve it.`,
		Example: `  shardfs mount train-0000.tgz mnt              # explore it, change it
  shardfs mount -r train-0000.tgz mnt           # look only
  shardfs mount --scratch work train.tar mnt    # changes outlive umount and reboot
  shardfs mount -o allow_other train.tar mnt    # for other users too`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), ui, args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.foreground, "foreground", "f", false, "serve the mount from this process")
	flags.BoolVarP(&o.readOnly, "read-only", "r", false, "allow no changes")
	flags.StringSliceVarP(&o.options, "option", "o", nil, "mount options: `OPT[,OPT]`, as allow_other")
	flags.StringVar(&o.scratch, "scratch", "", "keep changes in `DIR`, for the next mount too")
	o.from.add(flags)
	return cmd
}

func (o *mountOptions) run(ctx context.Context, ui *ui, name, mountpoint string) error {
	if name == "-" {
		return errStream
	}
	mountpoint, err := o.prepare(ui, name, mountpoint)
	if err != nil {
		return err
	}
	if !o.foreground {
		return startServer(ctx, os.Args[1:])
	}
	return o.serve(ctx, ui, name, mountpoint)
}

// prepare checks the mountpoint and clears what a dead server has left there. It returns its absolute name without links.
func (o *mountOptions) prepare(ui *ui, name, mountpoint string) (string, error) {
	place, err := absolute(mountpoint)
	if err != nil {
		return "", err
	}
	if err := clearDead(ui, place); err != nil {
		return "", err
	}
	if _, mounted, err := fusefs.At(place); err != nil {
		return "", err
	} else if mounted {
		return "", usagef("%s: already mounted by shardfs", mountpoint)
	}
	entries, err := os.ReadDir(place)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", usagef("%s: no such mountpoint", mountpoint)
	case errors.Is(err, unix.ENOTDIR):
		return "", usagef("%s: the mountpoint is not a directory", mountpoint)
	case err != nil:
		return "", err
	}
	path, err := store.Path(name)
	if err != nil {
		return "", err
	}
	for what, other := range map[string]string{"shard": path, "scratch directory": o.scratch} {
		if other == "" {
			continue
		}
		if other, err := absolute(other); err != nil {
			return "", err
		} else if within(other, place) {
			return "", usagef("%s: the mountpoint would hide the %s %s", mountpoint, what, other)
		} else if what != "shard" && within(place, other) {
			return "", usagef("%s: the mountpoint lies in the %s %s", mountpoint, what, other)
		}
	}
	if len(entries) > 0 {
		return "", usagef("%s: the mountpoint is not empty", mountpoint)
	}
	return place, nil
}

// within reports whether path is dir or lies in it; both are absolute.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// absolute returns a name as an absolute path without links. What does not exist yet is taken as it is, and so is a mount
// whose server is gone.
func absolute(name string) (string, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	if err != nil {
		return name, nil
	}
	path := filepath.Join(dir, filepath.Base(name))
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	return path, nil
}

// clearDead detaches mounts of ours at a place whose server is gone. Changes that nobody packed stay in their scratch
// directory, and the user is told where.
func clearDead(ui *ui, place string) error {
	for {
		m, mounted, err := fusefs.At(place)
		if err != nil || !mounted || !fusefs.IsDead(place) {
			return err
		}
		if err := fusefs.Unmount(place, true); err != nil {
			return fmt.Errorf("%s: detach the mount of a server that is gone: %w", place, err)
		}
		scratch, err := overlay.OpenScratch(m.Source)
		if err != nil {
			continue // nothing of it is left
		}
		kept, err := removeScratch(scratch)
		if err != nil {
			ui.warn("%s: %v", scratch.Dir, err)
		} else if kept {
			ui.warn("%s: the server of the last mount is gone; its changes are in %s: mount with --scratch to go on with them",
				place, scratch.Dir)
		}
	}
}

// removeScratch removes a temporary scratch directory without a server, unless it holds changes that were not packed.
func removeScratch(s *overlay.Scratch) (kept bool, err error) {
	if !s.Temporary() {
		return false, nil
	}
	unpacked, err := hasUnpacked(s)
	if err != nil || unpacked {
		return true, err
	}
	return false, s.Remove()
}

// hasUnpacked reports whether a scratch directory holds changes that were not packed.
func hasUnpacked(s *overlay.Scratch) (bool, error) {
	changed, err := s.HasChanges()
	if err != nil || !changed {
		return false, err
	}
	o, err := openOverlay(s)
	if err != nil {
		return true, err
	}
	defer o.Close()
	stamp, err := o.Stamp()
	return !s.Packed(stamp), err
}

// openOverlay opens the shard and the changes of a scratch directory.
func openOverlay(s *overlay.Scratch) (*openedOverlay, error) {
	sh, err := s.OpenShard(context.Background())
	if err != nil {
		return nil, err
	}
	o, err := overlay.New(s, sh)
	if err != nil {
		return nil, errors.Join(err, sh.Close())
	}
	return &openedOverlay{o}, nil
}

// openedOverlay is an overlay that owns its shard.
type openedOverlay struct{ *overlay.Overlay }

func (o *openedOverlay) Close() error { return errors.Join(o.Overlay.Close(), o.Shard.Close()) }

// serve mounts a shard and serves it until it is unmounted or the process is told to end.
func (o *mountOptions) serve(ctx context.Context, ui *ui, name, mountpoint string) (err error) {
	parent, err := newParentLink()
	if err != nil {
		return err
	}
	options, allowOther, readOnly := fuseOptions(o.options)
	dir := o.scratch
	if dir == "" {
		sweep(ui)
		dir = os.TempDir()
	}
	scratch, err := overlay.CreateScratch(dir, o.scratch == "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.leave(ui, scratch)) }()
	opened, err := scratch.UseIndex(o.from.options(ui))
	if err != nil {
		return err
	}
	changed, err := scratch.HasChanges()
	if err != nil {
		return err
	}
	readOnly = readOnly || o.readOnly
	opened.Growing, opened.Patience, opened.SpoolDir = readOnly && !changed, 200*time.Millisecond, scratch.Dir
	sh, err := openShard(ctx, ui, name, opened)
	if err != nil {
		return err
	}
	var indexing sync.WaitGroup
	defer indexing.Wait()
	defer sh.Close()
	if err := scratch.Bind(sh, mountpoint); err != nil {
		return err
	}
	over, err := overlay.New(scratch, sh)
	if err != nil {
		return err
	}
	defer over.Close()
	tree, err := overlay.NewTree(over)
	if err != nil {
		return fmt.Errorf("%s: %w", scratch.Dir, err)
	}
	defer tree.Close()
	// The kernel has applied the umask of whoever makes a file, and ours must not come on top.
	unix.Umask(0)
	server, err := fusefs.Mount(tree, mountpoint, fusefs.Options{
		Source: scratch.Dir, AllowOther: allowOther, ReadOnly: readOnly, Options: options,
		Log: func(err error) {
			if errors.Is(err, index.ErrStale) {
				sh.Forget() // now: the next mount need not wait for the end of this one to be right
			}
			ui.say("error", fmt.Sprintf("%s: %v", sh.Name, err))
		},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", mountpoint, err)
	}
	if err := parent.ready(scratch.LogFile()); err != nil {
		return errors.Join(err, server.Unmount())
	}
	if sh.Growing() {
		indexing.Go(func() { tellOfGrown(ui, sh) })
	}
	done := make(chan struct{})
	go func() {
		server.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	case <-parent.gone():
	}
	err = server.Unmount()
	<-done
	return err
}

// leave gives up a scratch directory and removes it if nothing in it is worth keeping.
func (o *mountOptions) leave(ui *ui, s *overlay.Scratch) error {
	defer s.Close()
	if !s.Temporary() {
		return nil
	}
	s, err := overlay.OpenScratch(s.Dir) // pack may have noted since that it has what there is
	if err != nil {
		return nil // never bound to a shard, or removed by umount --discard
	}
	kept, err := removeScratch(s)
	if kept {
		ui.warn("%s: there are changes that were not packed: mount with --scratch %[1]s to go on with them", s.Dir)
	}
	return err
}

// fuseOptions tells our mount options from the kernel's.
func fuseOptions(all []string) (options []string, allowOther, readOnly bool) {
	for _, option := range all {
		switch option {
		case "allow_other":
			allowOther = true
		case "ro":
			readOnly = true
		case "rw", "":
		default:
			options = append(options, option)
		}
	}
	return options, allowOther, readOnly
}

// sweep removes temporary directories that killed processes of ours have left, unless they hold changes.
func sweep(ui *ui) {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), overlay.TempPattern))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if err := overlay.Sweep(dir, detach); err != nil {
			ui.detail("%s: %v", dir, err)
		}
	}
}

// detach unmounts what is mounted in a directory that is to be removed.
func detach(dir string) error {
	all, err := fusefs.Mounts()
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Type == fusefs.Type && within(m.Mountpoint, dir) {
			err = errors.Join(err, fusefs.Unmount(m.Mountpoint, true))
		}
	}
	return err
}
