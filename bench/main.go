// Command bench measures shardfs beside what one would use without it, and prints the figures as a Markdown table.
//
//	go run ./bench -shardfs bin/shardfs
//
// Every measure runs both sides in turn (A B A B ...) on the same shards and the same disk with the page cache warm; a
// figure is the median of the rounds, a ratio the median of the rounds' own ratios, so what slows one round slows both
// sides of it. Above 1 shardfs is faster. The commands are printed below the table. Outputs are checked: a fast wrong
// answer ends the bench.
//
// The shards (about 7 GB with what is made of them) are drawn once and kept in DIR/shardfs-bench for the next run;
// -clean removes them. On ext4 without a journal wait some minutes between runs, or use a tmpfs as DIR: such a file
// system takes seconds to create files where many were deleted lately.
//
// The peer of gzip-write is a module of its own, bench/pgzip, which the go command downloads and builds for it. A peer of
// fs-read and fs-list, archivemount, is left out where it is not installed. What fs-create writes goes to /dev/shm.
//
// The exit status is 1 if a figure misses what is asked of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("a figure misses what is asked of it")

// bench is what the measures share.
type bench struct {
	shardfs string // the binary measured
	dir     string // where shards, mounts and outputs lie
	rounds  int
}

// A measure compares shardfs with its peers at one task and gives some lines of the table.
type measure struct {
	name string
	run  func(*bench, context.Context) ([]row, error)
}

func run(ctx context.Context, w io.Writer) error {
	measures := []measure{
		{"index", (*bench).index},
		{"index-million", (*bench).indexMillion}, // before those for which the bench itself needs memory; see execute
		{"index-file", (*bench).indexFile},
		{"mount-million", (*bench).mountMillion},
		{"mount-packed", (*bench).mountPacked},
		{"fs-read", (*bench).fsRead},
		{"fs-small", (*bench).fsSmall},
		{"fs-random", (*bench).fsRandom},
		{"fs-list", (*bench).fsList},
		{"fs-stat", (*bench).fsStat},
		{"fs-create", (*bench).fsCreate},
		{"fs-memory", (*bench).fsMemory},
		{"run", (*bench).run},
		{"run-cat", (*bench).runCat},
		{"run-start", (*bench).runStart},
		{"run-worker", (*bench).runWorker},
		{"run-convert", (*bench).runConvert},
		{"run-scratch", (*bench).runScratch},
		{"pack", (*bench).pack},
		{"gzip-pass", (*bench).gzipPass},
		{"gzip-random", (*bench).gzipRandom},
		{"gzip-workers", (*bench).gzipWorkers},
		{"gzip-write", (*bench).gzipWrite},
	}
	var names []string
	for _, m := range measures {
		names = append(names, m.name)
	}
	binary := flag.String("shardfs", "bin/shardfs", "the `binary` to measure")
	dir := flag.String("dir", os.TempDir(), "`directory` for the shards; they are kept in its subdirectory shardfs-bench")
	only := flag.String("only", "", "run only the measures that match `regexp`: "+strings.Join(names, ", "))
	rounds := flag.Int("rounds", 5, "run each side `N` times")
	clean := flag.Bool("clean", false, "remove the shards of earlier runs and exit")
	flag.Parse()

	b := &bench{rounds: max(*rounds, 1)}
	var err error
	if b.dir, err = filepath.Abs(filepath.Join(*dir, "shardfs-bench")); err != nil {
		return err
	}
	if *clean {
		return os.RemoveAll(b.dir)
	}
	if b.shardfs, err = filepath.Abs(*binary); err != nil {
		return err
	}
	if _, err := os.Stat(b.shardfs); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if err := b.keepInside(); err != nil {
		return err
	}

	where, err := machine(ctx, b.dir)
	if err != nil {
		return err
	}
	t := table{w: w}
	t.open(fmt.Sprintf("%s · medians of %d rounds", where, b.rounds))
	for _, m := range measures {
		if !match.MatchString(m.name) {
			continue
		}
		rows, err := m.run(b, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		t.add(rows)
	}
	t.close()
	if t.missed {
		return errMissed
	}
	return nil
}

// keepInside lets shardfs, and whatever else the bench starts, keep temporary files and caches in the bench's own
// directory: all sides write to one disk, and nothing is left elsewhere.
func (b *bench) keepInside() error {
	for name, value := range map[string]string{"TMPDIR": b.path("tmp"), "XDG_CACHE_HOME": b.path("cache")} {
		if err := os.MkdirAll(value, 0o755); err != nil {
			return err
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) path(name string) string {
	return filepath.Join(b.dir, name)
}

// note tells a waiting user what is going on.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
