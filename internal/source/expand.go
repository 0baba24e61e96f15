package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	braced, err := expandLists(ctx, args)
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
func expandLists(ctx context.Context, args []string) ([]string, error) {
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
		more, err := pipe.Await(ctx, func() ([]string, error) { return readNames(file) })
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

// readNames returns the names in a file, one per line. It skips empty lines and lines that begin with #.
func readNames(file string) (names []string, err error) {
	if store.IsRemote(file) {
		err := ui.Usagef("@%s: a list of shards is a local file", store.Redact(file))
		return nil, ui.WithHint(err, "curl -fsS URL >LIST, then @LIST")
	}
	f, err := os.Open(file)
	if err != nil {
		err = fmt.Errorf("@%s: %w", file, errors.Unwrap(err))
		return nil, ui.WithHint(err, "@FILE is a file with one shard a line")
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		more := []string{line}
		if _, err := os.Lstat(line); err != nil {
			if more, err = expandBraces(line); err != nil {
				return nil, &ui.UsageError{Err: fmt.Errorf("%s: %w", file, err)}
			}
		}
		if names = append(names, more...); len(names) > maxShards {
			return nil, fmt.Errorf("@%s: %w", file, errTooMany(len(names))) // there may be no end
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(names) == 0 {
		return nil, ui.Usagef("%s: names no shard", file)
	}
	return names, nil
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
