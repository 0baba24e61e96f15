package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// command returns a trial that runs a program. The program's output is read and dropped.
func command(f *figure, argv ...string) *trial {
	return measured(f, quote(argv), func(ctx context.Context) (float64, error) {
		seconds, _, err := execute(ctx, "", argv...)
		return seconds, err
	})
}

// command returns a trial that runs shardfs. A run has no TMPDIR, so that its scratch is where users have it: in memory.
func (b *bench) command(f *figure, args ...string) *trial {
	argv := append([]string{b.shardfs}, args...)
	if args[0] == "run" {
		argv = append([]string{"env", "-u", "TMPDIR"}, argv...)
	}
	t := command(f, argv...)
	t.program = true
	return t
}

// unread returns a trial that runs a program with standard output /dev/null.
func unread(f *figure, argv ...string) *trial {
	t := command(f, slices.Concat([]string{"sh", "-c", `exec "$@" >/dev/null`, "sh"}, argv)...)
	t.command = quote(argv) + " >/dev/null"
	return t
}

// execute runs a program in dir to its end and returns the seconds it took and its peak resident size in bytes. The
// kernel counts the size of the forking process too, so the result is never less than the bench's own size, some MB.
func execute(ctx context.Context, dir string, argv ...string) (seconds float64, peak int64, err error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Stdout = io.Discard
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// An interrupted program gets a signal, with its whole process group, so that it can unmount.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second

	start := time.Now()
	err = cmd.Run()
	seconds = time.Since(start).Seconds()
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w\n%s", quote(argv), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return seconds, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, nil
}

// build compiles the program in a directory of the repository into the bench's directory.
func (b *bench) build(ctx context.Context, dir string) (binary string, err error) {
	binary = b.shared(filepath.Base(dir))
	// This uses the usual Go cache: with the bench's own cache it would compile the whole standard library.
	argv := []string{"env", "-u", "XDG_CACHE_HOME", "go", "build", "-C", dir, "-o", binary, "."}
	if _, _, err := execute(ctx, "", argv...); err != nil {
		return "", fmt.Errorf("build %s, from the top of the repository: %w", dir, err)
	}
	return binary, nil
}

// quote returns a command line as one would type it.
func quote(argv []string) string {
	words := make([]string, len(argv))
	for i, arg := range argv {
		words[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
			words[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
