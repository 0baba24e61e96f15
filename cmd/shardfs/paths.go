package main

import (
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// checkPaths returns a usage error if the value of a flag that names a local file or directory is a URL, of which a
// directory http: would be made. A list of keys may be in a store.
func checkPaths(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		what, _ := pflag.UnquoteUsage(f)
		if err == nil && f.Name != "keys" && (what == "FILE" || what == "DIR" || what == "PATH") {
			err = checkPath("--"+f.Name, f.Value.String(), "copy it to a local file first")
		}
	})
	return err
}

// checkPath returns a usage error if a local path is a URL.
func checkPath(what, path, hint string) error {
	if !store.IsRemote(path) {
		return nil
	}
	return ui.WithHint(ui.Usagef("%s: %s: a URL, and not a local path", what, store.Redact(path)), hint)
}

// checkMountpoints returns a usage error if a mountpoint is a URL.
func checkMountpoints(mountpoints ...string) error {
	for _, m := range mountpoints {
		if err := checkPath("MOUNTPOINT", m, "the mountpoint is a local directory, and comes last"); err != nil {
			return err
		}
	}
	return nil
}
