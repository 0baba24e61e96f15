package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// maxShards is the largest number of names that a command line may expand to.
const maxShards = 1 << 18

// Expand expands the arguments of a command line to names. @FILE expands to the lines of a file, and braces to each of
// their alternatives, {train,val}, or to each number of a range, {0000..0147}. Then *, ? and [...] in a URL expand to the
// objects that st has. An argument that is the name of an existing file is not expanded.
func Expand(ctx context.Context, st store.Store, args []string) ([]string, error) {
	var names []string
	braced, err := expandLists(ctx, st, args)
	if err != nil {
		return nil, err
	}
	for _, name := range braced {
		more, err := expandGlob(ctx, st, name)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	if len(names) > maxShards {
		return nil, errTooMany(len(names))
	}
	return names, nil
}

func errTooMany(n int) error { return ui.Usagef("%d shards: at most %d", n, maxShards) }

// expandLists expands lists and braces. A list that is not read to its end, as from a FIFO, ends with ctx.
func expandLists(ctx context.Context, st store.Store, args []string) ([]string, error) {
	var names []string
	for _, arg := range args {
		file, listed := listFile(arg)
		if !listed {
			if _, err := os.Lstat(arg); err == nil {
				names = append(names, arg)
				continue
			}
			more, err := expandBraces(arg)
			if err != nil {
				return nil, &ui.UsageError{Err: err}
			}
			names = append(names, more...)
			continue
		}
		more, err := pipe.Await(ctx, func() ([]string, error) { return readNames(ctx, st, file) })
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

// listFile returns the file that an argument names as a list.
func listFile(arg string) (file string, ok bool) {
	file, ok = strings.CutPrefix(arg, "@")
	if _, err := os.Lstat(arg); err == nil {
		return "", false
	}
	return file, ok
}

// readNames returns the names in a file, or in an object of a store, one per line. It skips empty lines and lines that begin
// with #.
func readNames(ctx context.Context, st store.Store, file string) (names []string, err error) {
	shown := store.Redact(file)
	f, err := openList(ctx, st, file)
	if err != nil {
		if err = fmt.Errorf("@%s: %w", shown, err); !store.IsRemote(file) {
			err = ui.WithHint(err, "@FILE is a file with one shard a line")
		}
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if store.IsRemote(file) && isStream(line) {
			return nil, ui.Usagef("@%s: a list in a store names shards, and no commands: %s", shown, pipe.Shown(line))
		}
		more := []string{line}
		if _, err := os.Lstat(line); err != nil {
			if more, err = expandBraces(line); err != nil {
				return nil, &ui.UsageError{Err: fmt.Errorf("%s: %w", shown, err)}
			}
		}
		if names = append(names, more...); len(names) > maxShards {
			return nil, fmt.Errorf("@%s: %w", shown, errTooMany(len(names))) // there may be no end
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	if len(names) == 0 {
		return nil, ui.Usagef("%s: names no shard", shown)
	}
	return names, nil
}

// maxListSize is how many bytes a list in a store has at most.
const maxListSize = 256 << 20

// openList opens a list: a file, or an object of a store.
func openList(ctx context.Context, st store.Store, name string) (io.ReadCloser, error) {
	if !store.IsRemote(name) {
		f, err := os.Open(name)
		if err != nil {
			return nil, errors.Unwrap(err) // without the path, which is in the name
		}
		return f, nil
	}
	o, err := st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	if o.Size() > maxListSize {
		return nil, errors.Join(ui.Usagef("a list of %d bytes: at most %d", o.Size(), maxListSize), o.Close())
	}
	return &listObject{io.NewSectionReader(store.At(ctx, o), 0, o.Size()), o}, nil
}

// listObject is an object of a store that is read in order.
type listObject struct {
	io.Reader
	io.Closer
}

// expandBraces expands the braces in a name. Those in a pipe's command are left to the shell.
func expandBraces(name string) ([]string, error) {
	before, rest, ok := strings.Cut(name, "{")
	inner, after, closed := strings.Cut(rest, "}")
	if !ok || !closed || pipe.Is(name) {
		return []string{name}, nil
	}
	alternatives, err := alternatives(inner)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", store.Redact(name), err)
	}
	tails, err := expandBraces(after)
	if err != nil {
		return nil, err
	}
	if len(alternatives)*len(tails) > maxShards {
		return nil, fmt.Errorf("%s: more than %d shards", store.Redact(name), maxShards)
	}
	var names []string
	for _, a := range alternatives {
		for _, tail := range tails {
			names = append(names, before+a+tail)
		}
	}
	return names, nil
}

// alternatives expands the text between braces to the elements of a list or the numbers of a range. Numbers are padded
// with zeros to the width of the range's ends if one of the ends begins with a zero.
func alternatives(inner string) ([]string, error) {
	from, to, ok := strings.Cut(inner, "..")
	if !ok {
		if !strings.Contains(inner, ",") {
			return []string{"{" + inner + "}"}, nil
		}
		return strings.Split(inner, ","), nil
	}
	first, err1 := strconv.ParseUint(from, 10, 32)
	last, err2 := strconv.ParseUint(to, 10, 32)
	switch {
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("{%s}: a range goes from one number to another, as {0000..0147}", inner)
	case last < first:
		return nil, fmt.Errorf("{%s}: the range is empty", inner)
	case last-first >= maxShards:
		return nil, fmt.Errorf("{%s}: more than %d shards", inner, maxShards)
	}
	width := 0
	if len(from) > 1 && from[0] == '0' || len(to) > 1 && to[0] == '0' {
		width = max(len(from), len(to))
	}
	var numbers []string
	for n := first; n <= last; n++ {
		numbers = append(numbers, fmt.Sprintf("%0*d", width, n))
	}
	return numbers, nil
}
