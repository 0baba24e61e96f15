package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// writeZeros writes a shard of one sample, of n times 64 MiB of zeros, which takes long to decode and little disk.
func writeZeros(t *testing.T, name string, n int) {
	t.Helper()
	const piece = 64 << 20
	var header, zeros strings.Builder
	w := tar.NewWriter(&header)
	shardtest.Check(t, w.WriteHeader(&tar.Header{Name: "a.bin", Size: int64(n) * piece, Mode: 0o644}))
	z, err := gzip.NewWriterLevel(&zeros, gzip.BestSpeed)
	shardtest.Check(t, err)
	for range 64 {
		_, err := z.Write(make([]byte, piece/64))
		shardtest.Check(t, err)
	}
	shardtest.Check(t, z.Close())
	member := func(content string) string {
		var b strings.Builder
		z := gzip.NewWriter(&b)
		z.Write([]byte(content))
		shardtest.Check(t, z.Close())
		return b.String()
	}
	all := member(header.String()) + strings.Repeat(zeros.String(), n) + member(string(make([]byte, 1024)))
	shardtest.Check(t, os.WriteFile(name, []byte(all), 0o644))
}

// press types Ctrl-C.
func (m *terminal) press(t *testing.T) {
	t.Helper()
	_, err := m.reader.Write([]byte{3})
	shardtest.Check(t, err)
}

// Ctrl-C at a terminal ends a command at every stage: nothing is published, unless all of it is, and no progress, file,
// mount or process is left.
func TestInterruptOnTerminal(t *testing.T) {
	strace, noStrace := exec.LookPath("strace")
	for _, tt := range []struct {
		name  string
		args  []string
		shows string // what is on the terminal at that stage
		file  string // or the file that is there
		twice bool
	}{
		{"indexing", []string{"index", "--index", "none", "zeros.tgz"}, "indexing", "", false},
		{"packing", []string{"sh", "-c", "exec shardfs pack - -o out.tar <stream"}, "shardfs: pack:", "", false},
		{"running", []string{"run", "-c", ": >$WORK/begun; sleep 1000", "in.tar", "-o", "out.tar"}, "", "begun", false},
		{"running in copies", []string{"run", "--workspace", "dir", "-c", ": >$WORK/begun; sleep 1000", "in.tar",
			"-o", "out.tar"}, "", "begun", false},
		{"stubborn", []string{"run", "-c", `trap "" INT TERM; : >$WORK/begun; while :; do sleep 1; done`, "in.tar",
			"-o", "out.tar"}, "0 of 2", "begun", true},
		{"stubborn worker", []string{"run", "--worker", "in.tar", "-o", "out.tar", "--", "sh", "-c",
			`trap "" INT TERM; : >$WORK/begun; while :; do sleep 1; done`}, "0 of 2", "begun", true},
		{"publishing", []string{strace, "-f", "-o", "strace.out", "-e", "trace=fsync", "-e",
			"inject=fsync:delay_enter=1500000", "shardfs", "pack", "in.tar", "-o", "out.tar"}, "", "strace.out", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.args[0] == strace && noStrace != nil {
				skip.Without(t, "strace: %v", noStrace)
			}
			dir := t.TempDir()
			shardtest.Check(t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700))
			shard, err := os.ReadFile(shardtest.Write(t, "a.x", "b.x"))
			shardtest.Check(t, err)
			shardtest.Check(t, os.WriteFile(filepath.Join(dir, "in.tar"), shard, 0o644))
			shardtest.Check(t, unix.Mkfifo(filepath.Join(dir, "stream"), 0o600))
			stream, err := os.OpenFile(filepath.Join(dir, "stream"), os.O_RDWR, 0)
			shardtest.Check(t, err)
			defer stream.Close()
			_, err = stream.Write(shard[:1100])
			shardtest.Check(t, err)
			if slices.Contains(tt.args, "zeros.tgz") {
				writeZeros(t, filepath.Join(dir, "zeros.tgz"), 160)
			}
			t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
			t.Setenv("WORK", dir)
			m := newTerminal(t, 100)
			program, args := "shardfs", tt.args
			if args[0] == strace || args[0] == "sh" {
				program, args = args[0], args[1:]
			}
			cmd := m.startProgram(t, dir, program, args...)
			if tt.file != "" {
				testtime.Eventually(t, tt.file, func() bool {
					text, err := os.ReadFile(filepath.Join(dir, tt.file))
					return err == nil && (tt.file != "strace.out" || bytes.Contains(text, []byte("fsync(")))
				})
			}
			if tt.shows != "" {
				m.shows(t, tt.shows)
			}
			m.press(t)
			if tt.twice {
				pressed := time.Now()
				testtime.Eventually(t, "time", func() bool { return time.Since(pressed) > 2*sameSignal })
				m.press(t)
			}
			text := m.wait(cmd)
			m.ended(t, dir, cmd, text)
		})
	}
}

// ended checks what is left of a command that was interrupted.
func (m *terminal) ended(t *testing.T, dir string, cmd *exec.Cmd, text string) {
	t.Helper()
	status := cmd.ProcessState.ExitCode()
	lines := slices.DeleteFunc(screen(text), func(line string) bool { return line == "" || line == "^C" })
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "^C")
	}
	want := []string{"shardfs: error: interrupted"}
	if _, err := os.Stat(filepath.Join(dir, "out.tar")); err == nil {
		status, want = status+130, []string{"shardfs: out.tar: 2 samples, 2 members, 10.2 kB"} // it was too late
	}
	if status != 130 || !slices.Equal(lines, want) {
		t.Errorf("exit status %d; the terminal shows %q, want %q", cmd.ProcessState.ExitCode(), lines, want)
	}
	known := []string{"in.tar", "zeros.tgz", "out.tar", "begun", "stream", "tmp", "shardfs", "status", "strace.out"}
	for _, in := range []string{dir, filepath.Join(dir, "tmp")} {
		entries, err := os.ReadDir(in)
		shardtest.Check(t, err)
		for _, e := range entries {
			if in != dir || !slices.Contains(known, e.Name()) {
				t.Errorf("left behind: %s", filepath.Join(in, e.Name()))
			}
		}
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	shardtest.Check(t, err)
	if strings.Contains(string(table), dir) {
		t.Errorf("a mount is left:\n%s", table)
	}
	testtime.Eventually(t, "the end of all processes", func() bool {
		return unix.Kill(-cmd.Process.Pid, 0) == unix.ESRCH
	})
	if t.Failed() {
		t.Logf("%q", text)
	}
}
