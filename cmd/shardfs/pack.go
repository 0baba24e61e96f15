package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/pack"
)

func newPack(ui *ui) *cobra.Command {
	var o outputOptions
	cmd := &cobra.Command{
		Use:   "pack [flags] MOUNTPOINT|DIR -o OUTPUT",
		Short: "Write the samples, as they are now, to a tar",
		Long: `Pack writes the samples of a mount, or of a directory of sample directories, to
a shard: in the order of the shard, new samples at the end. What nobody changed
is copied byte for byte. The mount may stay in use. The output appears under its
name when it is whole, and not before; - is standard output.`,
		Example: `  shardfs pack mnt -o out.tar
  shardfs pack mnt -o out.tgz --level 6
  shardfs pack directory-of-samples -o - | ssh host 'cat >out.tar'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.name == "" {
				return usagef("-o is missing: where should the output go?")
			}
			return packTo(cmd.Context(), ui, &o, args[0])
		},
	}
	o.add(cmd.Flags())
	o.addIndex(cmd.Flags())
	return cmd
}

// packTo packs a mountpoint or a directory.
func packTo(ctx context.Context, ui *ui, o *outputOptions, place string) error {
	if err := o.check(); err != nil {
		return err
	}
	scratch, err := scratchOf(place)
	if err != nil {
		return err
	}
	if scratch == nil {
		root, err := openTree(place)
		if err != nil {
			return err
		}
		defer root.Close()
		return o.write(ctx, ui, func(w *pack.Writer) error {
			if err := pack.Pack(ctx, w, pack.Base{}, pack.Tree{FS: index.RootFS(root)}); err != nil {
				return err
			}
			if w.Summary().Samples == 0 {
				return noSamples(place)
			}
			return nil
		})
	}
	over, err := openOverlay(scratch)
	if err != nil {
		return err
	}
	defer over.Close()
	// What is written to a file that is mapped already need not change its times, so nobody knows then whether all has been
	// packed. What is mapped later changes them at the first write.
	by := writers(scratch.Mountpoint())
	stamp, err := over.Stamp()
	if err != nil {
		return err
	}
	if err := o.write(ctx, ui, func(w *pack.Writer) error {
		return pack.Pack(ctx, w, baseOf(over.Shard), over)
	}); err != nil {
		return err
	}
	if by != "" {
		ui.warn("%s: changes count as not packed, as a file is mapped by process %s", place, by)
	} else if err := scratch.MarkPacked(stamp); err != nil {
		return err
	}
	if over.Shard.Cut != "" {
		return fmt.Errorf("%s: %w: %s", over.Shard.Name, errPartly, over.Shard.Cut)
	}
	return nil
}

// noSamples refuses a directory in which there is nothing to do: most likely it is a mountpoint that nothing is mounted on.
func noSamples(place string) error {
	return fmt.Errorf("%s: %w: neither a mount of shardfs nor a directory of sample directories", place, errNoSample)
}

// baseOf returns a shard as pack takes it.
func baseOf(sh *shard.Shard) pack.Base {
	b := pack.Base{Index: sh.Index, Plain: sh.Bytes(), Size: sh.Plain()}
	if sh.Cut != "" {
		b.Size = 0 // there is no end to be copied
	}
	return b
}

// openTree opens a plain directory of sample directories.
func openTree(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", dir, os.ErrNotExist)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return nil, usagef("%s: neither a mountpoint nor a directory", dir)
	}
	return root, err
}

// scratchOf returns the scratch directory of a mount of ours, dead or alive, with all that was written to it; nil where
// none is mounted, or many shards are, which are like any other directory.
func scratchOf(place string) (*overlay.Scratch, error) {
	place, err := absolute(place)
	if err != nil {
		return nil, err
	}
	m, mounted, err := fusefs.At(place)
	if err != nil || !mounted {
		return nil, err
	}
	if err := syncMount(m); err != nil {
		return nil, err
	}
	s, err := overlay.OpenScratch(m.Source)
	if err == nil && s.Many() {
		return nil, nil
	}
	if err == nil && s.Mountpoint() != place {
		err = fmt.Errorf("%s: %w: it is mounted elsewhere", m.Source, overlay.ErrScratch)
	}
	return s, err
}

// syncMount has the kernel write what it holds back of a mount's files. Of a dead mount it has nothing, and what overlayfs
// holds are the files of the upper directory themselves.
func syncMount(m fusefs.Mounted) error {
	if m.Type != fusefs.Type {
		return nil
	}
	dir, err := unix.Open(m.Mountpoint, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOTCONN || err == unix.ECONNABORTED { // gone, or just going
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: m.Mountpoint, Err: err}
	}
	defer unix.Close(dir)
	return unix.Syncfs(dir)
}
