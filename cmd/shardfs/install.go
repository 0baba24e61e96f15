package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

func newInstall(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "install DIR",
		Short: "Copy this program into a directory",
		Long: `Install copies this program to DIR/shardfs. An image with nothing else in it, which
has no cp, gives it to the container of another image in that way.`,
		Example: `  shardfs install .`,
		Hidden:  true, // for k8s --tool-image
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPath("DIR", args[0], "name a directory"); err != nil {
				return err
			}
			if err := install(args[0]); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			g.Note("%s/shardfs: written", args[0])
			return nil
		},
	}
}

// install copies this program into a directory.
func install(name string) (err error) {
	own, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer own.Close()
	dir, err := os.Open(name)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer dir.Close()
	f, err := atomicfile.Create(dir, "shardfs", atomicfile.Options{Replace: true, Perm: 0o755})
	if err != nil {
		return err
	}
	if _, err = io.Copy(f.File, own); err == nil {
		err = f.Chmod(0o755) // whatever the umask is
	}
	if err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}
