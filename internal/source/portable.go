package source

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Portability says where and how long arguments name the same shards for Expand.
type Portability uint8

const (
	Always Portability = iota // on every machine: paths, URLs, braces
	Kept                      // on every machine, as long as the lists in stores, @URL, stay as they are
	Here                      // on this machine, now: a local @FILE, or a pattern that a store lists
)

// PortabilityOf returns how portable arguments are together. It looks only for files that have an argument as their name.
func PortabilityOf(args []string) Portability {
	all := Always
	for _, arg := range args {
		list, listed := listFile(arg)
		switch {
		case listed && store.IsRemote(list):
			all = max(all, Kept)
		case listed, isGlob(arg):
			return Here
		}
	}
	return all
}

// ErrNoLine means that a list, @FILE, cannot have a name.
var ErrNoLine = errors.New("a list of shards cannot have this name")

// Lines returns a list, as @FILE is, of names that Expand has returned. The error wraps ErrNoLine if a name would be another
// one there.
func Lines(names []string) ([]byte, error) {
	var b bytes.Buffer
	for _, name := range names {
		braced, err := expandBraces(name)
		if err != nil || name == "" || !slices.Equal(braced, []string{name}) || strings.ContainsAny(name, "\n\r") ||
			strings.TrimSpace(name) != name || strings.HasPrefix(name, "#") {
			return nil, &ui.UsageError{Err: fmt.Errorf("%s: %w", Shown(name), ErrNoLine)}
		}
		b.WriteString(name)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}
