// Command bench measures shardfs side by side with programs that do the same work without it.
//
//	go run ./bench -shardfs bin/shardfs -o bench/results/DATE-COMMIT.txt
//	go run ./bench -remote -shardfs bin/shardfs -o bench/results/DATE-COMMIT-remote.txt
//	go run ./bench -table docs/performance.md RESULTS...               # from oldest to newest: see make tables
//	go run ./bench -shardfs bin/shardfs -base OTHER/shardfs -only FS    # compare two builds
//
// The first two write lines in the Go benchmark format, one for each figure and round; benchstat reads them. The third
// makes the table of docs/performance.md from such files: each row shows the newest measurement, with its date and
// commit. With -base, trials of the shardfs binary are also run with another binary, in the same rounds; a comparison
// of the two follows at the end, and the lines of the other one come after "build: base".
//
// Every measure runs its trials in turn (A B A B ...) on the same shards and the same disk with a warm page cache. The
// table shows medians of the rounds, and as ratio the median of the ratios of each round, so a slow round affects both
// sides; above 1 shardfs is faster. Outputs are checked: a wrong result ends the bench.
//
// The shards (about 7 GB, including everything made from them) are generated once and kept in DIR/shardfs-bench for the
// next run; -clean removes them. On ext4 without a journal wait some minutes between runs, or use a tmpfs as DIR: such
// a file system takes seconds to create files after many were deleted.
//
// With -remote, nginx serves the shards behind a relay (internal/testing/relay) of 20 ms round trip, 125 MB/s in all and
// 40 MB/s a connection, and its log tells the requests. What is written goes to versitygw, behind the same relay or on
// loopback. Relay, server, client and reader share the machine. Peers that are not installed are left out.
//
// The peer of GzipWrite is a separate module, bench/pgzip, which the go command downloads and builds; so is what opens
// pages for View and RemoteView, which need Chromium. The peer archivemount is left out if it is not installed. FSCreate
// writes to /dev/shm.
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
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// bench is the environment of the measures.
type bench struct {
	shardfs string // the binary measured
	dir     string // directory for shards, mounts and outputs
	work    string // directory in dir for the mountpoint, outputs and cache of one binary
}

// measures returns all measures, in the order in which they run.
func measures() []measure {
	return []measure{
		{"Index", (*bench).index},
		{"IndexMillion", (*bench).indexMillion}, // before measures for which the bench itself needs memory; see execute
		{"IndexFile", (*bench).indexFile},
		{"MountMillion", (*bench).mountMillion},
		{"MountPacked", (*bench).mountPacked},
		{"FSRead", (*bench).fsRead},
		{"FSSmall", (*bench).fsSmall},
		{"FSRandom", (*bench).fsRandom},
		{"FSList", (*bench).fsList},
		{"FSStat", (*bench).fsStat},
		{"FSCreate", (*bench).fsCreate},
		{"FSMemory", (*bench).fsMemory},
		{"FSArchive", (*bench).fsArchive},
		{"FSWide", (*bench).fsWide},
		{"Loader", (*bench).loader},
		{"RunTrue", (*bench).runTrue},
		{"RunCat", (*bench).runCat},
		{"RunStart", (*bench).runStart},
		{"RunMany", (*bench).runMany},
		{"RunProgress", (*bench).runProgress},
		{"RunWorker", (*bench).runWorker},
		{"RunConvert", (*bench).runConvert},
		{"RunScratch", (*bench).runScratch},
		{"Pack", (*bench).pack},
		{"PackFolder", (*bench).packFolder},
		{"Decode", (*bench).decode},
		{"Inflate", (*bench).inflate},
		{"GzipPass", (*bench).gzipPass},
		{"GzipRandom", (*bench).gzipRandom},
		{"GzipWorkers", (*bench).gzipWorkers},
		{"GzipWrite", (*bench).gzipWrite},
		{"View", (*bench).viewMillion},
		{"ViewThumbnails", (*bench).viewThumbnails},
		{"Stats", (*bench).stats},
		{"Diff", (*bench).diff},
		{"RemoteWalk", (*bench).remoteWalk},
		{"RemoteLoopback", (*bench).remoteLoopback},
		{"RemoteSample", (*bench).remoteSample},
		{"RemoteFirst", (*bench).remoteFirst},
		{"RemoteListing", (*bench).remoteListing},
		{"RemoteRun", (*bench).remoteRun},
		{"RemoteMemory", (*bench).remoteMemory},
		{"RemoteCompressed", (*bench).remoteCompressed},
		{"RemoteUpload", (*bench).remoteUpload},
		{"RemoteJob", (*bench).remoteJob},
		{"RemoteCopy", (*bench).remoteCopy},
		{"RemotePublished", (*bench).remotePublished},
		{"RemoteTask", (*bench).remoteTask},
		{"RemoteView", (*bench).remoteView},
	}
}

func run(ctx context.Context) (err error) {
	var names []string
	for _, m := range measures() {
		names = append(names, m.name)
	}
	binary := flag.String("shardfs", "bin/shardfs", "the `binary` to measure")
	other := flag.String("base", "", "another `binary`, to compare with")
	dir := flag.String("dir", os.TempDir(),
		"`directory` for the shards; they are kept in its subdirectory shardfs-bench")
	only := flag.String("only", "", "run only the measures that match `regexp`: "+strings.Join(names, ", "))
	remote := flag.Bool("remote", false,
		"run the measures of remote shards, which need nginx and versitygw, instead of the others")
	count := flag.Int("rounds", 5, "run each trial `N` times")
	output := flag.String("o", "", "write the results to `FILE` too")
	table := flag.String("table", "",
		"write the table of `DOCUMENT` from the results files that are named, oldest first, and exit")
	clean := flag.Bool("clean", false, "remove the shards of earlier runs and exit")
	flag.Parse()

	if *table != "" {
		return updateTable(*table, flag.Args())
	}
	top, err := filepath.Abs(filepath.Join(*dir, "shardfs-bench"))
	if err != nil {
		return err
	}
	if *clean {
		return os.RemoveAll(top)
	}
	b, err := newBench(*binary, top, "new")
	if err != nil {
		return err
	}
	var base *bench
	if *other != "" {
		if base, err = newBench(*other, top, "base"); err != nil {
			return err
		}
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	var w io.Writer = os.Stdout
	if *output != "" {
		file, err := os.Create(*output)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		w = io.MultiWriter(os.Stdout, file)
	}
	if err := b.writeHeader(ctx, w); err != nil {
		return err
	}
	chosen := slices.DeleteFunc(measures(), func(m measure) bool {
		return !match.MatchString(m.name) || strings.HasPrefix(m.name, "Remote") != *remote
	})
	return b.runAll(ctx, w, chosen, max(*count, 1), base)
}

// runAll runs measures and writes their figures to w. Base is the other build to compare with, or nil.
func (b *bench) runAll(ctx context.Context, w io.Writer, list []measure, rounds int, base *bench) error {
	var all comparison
	for _, m := range list {
		if err := all.measure(ctx, w, m, rounds, b, base); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return all.write(w)
}

// newBench returns a bench of one binary. Temporary files and caches are in the bench's directory, so that all sides
// write to one disk and leave no other files.
func newBench(binary, dir, name string) (*bench, error) {
	b := &bench{dir: dir, work: filepath.Join(dir, name)}
	var err error
	if b.shardfs, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(b.shardfs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return nil, err
	}
	for name, value := range b.environment() {
		if err := os.MkdirAll(value, 0o755); err != nil {
			return nil, err
		}
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// environment returns the variables with the directories for temporary files and caches. Two builds share them: each
// replaces index files of the other that it cannot use.
func (b *bench) environment() map[string]string {
	return map[string]string{"TMPDIR": b.shared("tmp"), "XDG_CACHE_HOME": b.shared("cache")}
}

// shared returns the path of a file that does not depend on the binary, such as a shard.
func (b *bench) shared(name string) string { return filepath.Join(b.dir, name) }

// path returns the path of a file of this binary, such as an output.
func (b *bench) path(name string) string { return filepath.Join(b.work, name) }

// note prints progress for the user.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
