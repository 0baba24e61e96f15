package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// The report is in the Go benchmark format, a line for each figure and round:
//
//	BenchmarkIndex/members=30000/by=shardfs 1 30312345 ns/op 989700 members/s
//
// so that benchstat can compare two of them, or with -base the builds in one: benchstat -col build FILE. Lines that
// begin with # are the commands that ran.

// writeHeader writes the machine, commit and versions on which the figures depend.
func (b *bench) writeHeader(ctx context.Context, w io.Writer) error {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	release, _, _ := strings.Cut(string(bytes.TrimSpace(kernel)), "-") // without the builder's own suffix
	fstype, err := lastLine(ctx, "df", "--output=fstype", b.dir)
	if err != nil {
		return err
	}
	tar, err := exec.CommandContext(ctx, "tar", "--version").Output()
	if err != nil {
		return fmt.Errorf("tar --version: %w", err)
	}
	tarVersion, _, _ := bytes.Cut(tar, []byte("\n"))
	version, err := lastLine(ctx, b.shardfs, "version")
	if err != nil {
		return err
	}
	for _, line := range [][2]string{
		{"goos", runtime.GOOS}, {"goarch", runtime.GOARCH}, {"cpu", cpuModel()},
		{"cores", fmt.Sprint(runtime.NumCPU())},
		{"kernel", release}, {"filesystem", fstype}, {"go", runtime.Version()},
		{"tar", string(tarVersion)},
		{"commit", strings.Fields(version)[1]}, {"date", time.Now().UTC().Format(time.DateOnly)},
	} {
		fmt.Fprintf(w, "%s: %s\n", line[0], line[1])
	}
	_, err = fmt.Fprintln(w)
	return err
}

// write writes the figures of a measure, and the commands that were run, without the paths of this machine.
func (p *plan) write(w io.Writer, name, build string, b *bench) error {
	fmt.Fprintf(w, "build: %s\n", build)
	shown := strings.NewReplacer(b.shardfs, "shardfs", b.dir, "DIR", "\n", "\n# ")
	for _, t := range p.trials {
		fmt.Fprintf(w, "# %s\n", shown.Replace(strings.TrimSpace(t.command)))
		for _, f := range t.figures {
			for _, x := range f.values {
				fmt.Fprintf(w, "Benchmark%s/%s 1 %s\n", name, f.name, f.line(x))
			}
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// line formats a value with its unit, and the resulting speed.
func (f *figure) line(x float64) string {
	if f.unit != seconds {
		return fmt.Sprintf("%.10g %s", x, f.unit)
	}
	line := fmt.Sprintf("%.0f ns/op", x*1e9)
	if f.work.amount > 0 {
		line += fmt.Sprintf(" %.6g %s/s", f.work.amount/x, f.work.unit)
	}
	return line
}

func lastLine(ctx context.Context, argv ...string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", quote(argv), err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

// cpuModel returns the processor's name, or its architecture if the kernel does not report a name (arm64).
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}
