// Package source turns a name into samples.
//
// [Resolve] alone decides what a name stands for: a shard in a store, a mountpoint or another directory of sample
// directories, standard input, or the output of a command. [Open] opens one name as a [Source], which yields its
// samples as they are now; [List] yields those of many names, one after the other, and [Join] adds members from other
// shards. [Expand] turns the arguments of a command line into names.
package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Stdin is the name of standard input.
const Stdin = "-"

// Kind is what a name stands for.
type Kind uint8

const (
	Shard  Kind = iota // a shard in a store, which can be read in any order and more than once
	Dir                // a directory of sample directories, such as a mountpoint
	Stream             // a shard that can be read once: standard input or the output of a command
)

// Name is a name and what it stands for.
type Name struct {
	Text string      // as the user gave it
	Kind Kind        // the zero value is Shard
	Path string      // of a Dir
	file fs.FileInfo // of a Shard in a local file; else nil

	missing error // of Resolve, if it is a Shard in a local file that is not there; else nil
}

// Missing returns the error of Resolve for a name of ResolvePresent that is not there; nil for others.
func (n Name) Missing() error { return n.missing }

// String is [Shown] of the name.
func (n Name) String() string { return Shown(n.Text) }

// Shown returns a name for messages: without credentials and without the arguments of a command.
func Shown(name string) string { return pipe.Shown(store.Redact(name)) }

// Names returns the names for messages.
func Names(names []Name) (shown []string) {
	for _, n := range names {
		shown = append(shown, n.String())
	}
	return shown
}

// NameOfAll returns the name of a single source, or how many there are, for messages.
func NameOfAll(names []Name) string {
	if len(names) == 1 {
		return names[0].String()
	}
	return ui.Count(len(names), "source")
}

// isStream reports whether a name stands for a Stream. It does not look at the file system.
func isStream(name string) bool { return name == Stdin || pipe.Is(name) }

// Resolve finds out what a name stands for. A local file or directory must exist. Errors begin with the name.
func Resolve(name string) (Name, error) {
	n := Name{Text: name}
	if isStream(name) {
		n.Kind = Stream
		return n, nil
	}
	if scheme, _ := store.Split(name); scheme != store.FileScheme {
		return n, nil // its store checks that it exists when it is opened
	}
	path, err := store.Path(name)
	if err != nil {
		return n, fmt.Errorf("%s: %w", n, err)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir(), err != nil && isMountpoint(path):
		n.Kind, n.Path = Dir, path
	case err == nil:
		n.file, err = info, notTerminal(name, info)
	default:
		err = errors.Unwrap(err) // without the path, which is in the name
		if url, ok := store.Misspelled(path); ok {
			_, rest := store.Split(url)
			url = store.Redact(url)
			_, shown := store.Split(url)
			err = ui.Usagef("%s%s: %w", strings.TrimSuffix(path, rest), shown, err)
			return n, ui.WithHint(err, "did you mean "+url+"?")
		}
		err = fmt.Errorf("%s: %w", n, err)
		if strings.ContainsAny(path, "*?[") {
			err = ui.WithHint(err, globHint(path))
		}
	}
	return n, err
}

// notTerminal returns a usage error for a file that is a terminal.
func notTerminal(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Mode&unix.S_IFMT != unix.S_IFCHR {
		return nil
	}
	// The major numbers of consoles, of /dev/tty and its like, and of pseudo-terminals.
	if major := unix.Major(st.Rdev); major != 4 && major != 5 && (major < 136 || major > 143) {
		return nil
	}
	return Typed(name + ":")
}

// Typed returns the usage error for a shard that is to be read from a terminal. What are the words before "a terminal".
func Typed(what string) error {
	err := ui.Usagef("%s a terminal, and a tar is not for typing", what)
	return ui.WithHint(err, "name a file, or pipe a shard to this command")
}

// globHint returns the hint for a name that looks like a pattern of the shell.
func globHint(path string) string {
	if found, err := filepath.Glob(path); err == nil && len(found) > 0 {
		return fmt.Sprintf("the shell expands * and ?: without quotes it names %s", ui.Count(len(found), "file"))
	}
	return "no file is named so; a list of shards can also be name-{0000..0147}.tar or @FILE"
}

// ResolvePresent is ResolveAll, but a local file that is not there is no error: it may not be needed.
func ResolvePresent(names []string) ([]Name, error) {
	return resolveAll(names, func(name string) (Name, error) {
		n, err := Resolve(name)
		if errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*ui.UsageError)) {
			n.missing, err = err, nil
		}
		return n, err
	})
}

// ResolveAll resolves names that are read one after the other.
func ResolveAll(names []string) ([]Name, error) { return resolveAll(names, Resolve) }

func resolveAll(names []string, resolve func(name string) (Name, error)) ([]Name, error) {
	if err := CheckOnce(names); err != nil {
		return nil, err
	}
	list := make([]Name, len(names))
	for i, name := range names {
		var err error
		if list[i], err = resolve(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// CheckOnce returns a usage error if Stdin is among the names more than once.
func CheckOnce(names []string) error {
	if first := slices.Index(names, Stdin); first >= 0 && slices.Contains(names[first+1:], Stdin) {
		return ui.Usagef("-: standard input can be read only once")
	}
	return nil
}

// isMountpoint reports whether shardfs has a mount at a path. If the server of the mount is gone, [os.Stat] fails
// there.
func isMountpoint(path string) bool {
	_, mounted, err := mounts.At(path)
	return err == nil && mounted
}
