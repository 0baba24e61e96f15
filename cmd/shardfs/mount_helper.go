package main

import (
	"encoding/csv"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// mount(8) has a file system mounted by a program, /sbin/mount.TYPE, if there is one:
//
//	mount.shardfs SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
//
// shardfs is that program under the names below, for lines of /etc/fstab and units of systemd.

// helperNames are the names under which this program is the helper of mount(8).
var helperNames = []string{"mount.shardfs", "mount.fuse.shardfs"}

// isHelper reports whether this process was started by mount(8), as its helper.
func isHelper() bool {
	return len(os.Args) > 0 && slices.Contains(helperNames, filepath.Base(os.Args[0]))
}

const helperUse = "usage: mount.shardfs SHARD MOUNTPOINT [-fnsv] [-o OPTION,...], or mount -t shardfs"

// Exit statuses of mount(8).
const (
	helperUsage       = 1 // also for want of permission
	helperInterrupted = 8
	helperFailed      = 32
)

// helperStatus returns what mount(8) is told for an exit status of ours.
func helperStatus(status int) int {
	switch status {
	case exitOK:
		return 0
	case exitUsage, exitPermission:
		return helperUsage
	case 128 + int(unix.SIGINT), 128 + int(unix.SIGTERM):
		return helperInterrupted
	}
	return helperFailed
}

// usersOptions are options in fstab that are for mount(8), systemd or login, and not for a file system. mount(8) removes
// some of them.
var usersOptions = []string{
	"defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group", "nogroup",
	"nofail", "_netdev", "async", "loud", "silent", "rw",
}

// foreignFlags are the flags of mount that are no options in fstab.
var foreignFlags = []string{"foreground", "option", "help", "json", "progress"}

// helperArguments returns the arguments of shardfs for those that mount(8) gives to its helper; fake means that nothing is
// to be mounted. Options that are flags of mount become these, others stay options.
func helperArguments(args []string) (translated []string, fake bool, err error) {
	var verbose bool
	var options []string
	flags := pflag.NewFlagSet("mount.shardfs", pflag.ContinueOnError)
	flags.Usage = func() {}
	flags.BoolVarP(&fake, "fake", "f", false, "mount nothing")
	flags.BoolVarP(&verbose, "verbose", "v", false, "say what is done and why")
	flags.BoolP("sloppy", "s", false, "ignored")
	flags.BoolP("no-mtab", "n", false, "ignored")
	flags.StringP("types", "t", "", "ignored")
	flags.StringArrayVarP(&options, "options", "o", nil, "of the mount")
	err = flags.Parse(args)
	if err == nil && (flags.NArg() != 2 || slices.Contains(flags.Args(), "")) {
		err = errors.New("two arguments are wanted, a shard and a mountpoint")
	}
	if err != nil {
		return nil, false, ui.WithHint(&ui.UsageError{Err: err}, helperUse)
	}
	translated = []string{"mount"}
	if verbose {
		translated = append(translated, "--verbose")
	}
	for _, list := range options {
		for _, option := range splitOptions(list) {
			arg, err := helperOption(option)
			if err != nil {
				return nil, false, err
			}
			translated = append(translated, arg...)
		}
	}
	return append(append(translated, "--"), flags.Args()...), fake, nil
}

// splitOptions splits options at commas that are not between double quotes, and removes the quotes.
func splitOptions(list string) (options []string) {
	var option strings.Builder
	quoted := false
	for i := range len(list) {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			options = append(options, option.String())
			option.Reset()
		default:
			option.WriteByte(c)
		}
	}
	return append(options, option.String())
}

// helperOption returns the arguments of mount for an option in fstab; nil if it is not for shardfs.
func helperOption(option string) ([]string, error) {
	name, value, valued := strings.Cut(option, "=")
	verb := newMount(&globals{UI: new(ui.UI)})
	(&globals{UI: new(ui.UI)}).add(verb.Flags())
	flag := verb.Flags().Lookup(name)
	switch {
	case name == "" && valued:
		return nil, ui.Usagef("option %q: it has no name", option)
	case name == "" || slices.Contains(usersOptions, name) || name == "comment",
		strings.HasPrefix(name, "x-"), strings.HasPrefix(name, "X-"):
		return nil, nil
	case name == "ro":
		return []string{"--read-only"}, nil
	case name == "remount":
		err := ui.Usagef("option remount: a mount of shardfs keeps its options")
		return nil, ui.WithHint(err, "unmount it, then mount it again")
	case flag == nil || slices.Contains(foreignFlags, name):
		var quoted strings.Builder
		w := csv.NewWriter(&quoted) // as mount reads it
		err := w.Write([]string{option})
		w.Flush()
		return []string{"--option=" + strings.TrimSuffix(quoted.String(), "\n")}, err
	case flag.NoOptDefVal != "" && !valued:
		return []string{"--" + name}, nil
	case !valued || value == "":
		return nil, ui.Usagef("option %s: its value is missing", name)
	}
	return []string{"--" + option}, nil
}

// asHelper returns the arguments for what mount(8) asks of its helper, and makes them those of this process; nil if there
// is nothing to do. systemd starts mount(8) without HOME, where credentials and the cache are.
func asHelper(args []string) ([]string, error) {
	args, fake, err := helperArguments(args)
	if err != nil || fake {
		return nil, err
	}
	if os.Getenv("HOME") == "" {
		if u, err := user.Current(); err == nil {
			os.Setenv("HOME", u.HomeDir)
		}
	}
	os.Args = append([]string{"shardfs"}, args...)
	return args, nil
}

// alreadyShown reports whether a mount was refused because it is there already, with the same shards: then `mount -a` has
// nothing to do.
func (g *globals) alreadyShown(refused error, names []string, mountpoint string) bool {
	if !g.helper || !errors.Is(refused, server.ErrMounted) {
		return false
	}
	shown, err := mounts.ShardsAt(mountpoint)
	if err != nil || len(shown) != len(names) {
		return false
	}
	wanted := make([]string, len(names))
	for i, name := range names {
		wanted[i] = store.Redact(store.Absolute(name))
	}
	slices.Sort(shown)
	slices.Sort(wanted)
	if !slices.Equal(shown, wanted) {
		return false
	}
	g.Detail("%s: %v", mountpoint, server.ErrMounted)
	return true
}
