package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// A row is one line of the table.
type row struct {
	measure    string
	ours, peer string // the figures; no peer when a quantity is measured, not a speed
	ratio      float64
	asked      string // empty when nothing is asked: for information
	ok         bool
	commands   []string // what was run, ours first
}

// table prints rows as they come, and at the end the commands behind them.
type table struct {
	w      io.Writer
	rows   []row
	missed bool // some row is not as asked
}

func (t *table) open(machine string) {
	fmt.Fprintf(t.w, "%s\n\n| measure | ours | peer | ratio | asked | ok |\n|---|--:|--:|--:|--:|---|\n", machine)
}

func (t *table) add(rows []row) {
	for _, r := range rows {
		peer, ratio, asked, ok := "–", "–", "–", "–"
		if r.peer != "" {
			peer, ratio = r.peer, fmt.Sprintf("%.2f", r.ratio)
		}
		if r.asked != "" {
			asked, ok = r.asked, "yes"
			if !r.ok {
				ok = "**no**"
				t.missed = true
			}
		}
		fmt.Fprintf(t.w, "| %s | %s | %s | %s | %s | %s |\n", r.measure, r.ours, peer, ratio, asked, ok)
	}
	t.rows = append(t.rows, rows...)
}

func (t *table) close() {
	for _, r := range t.rows {
		fmt.Fprintf(t.w, "\n%s:\n\n", r.measure)
		for _, c := range r.commands {
			fmt.Fprintf(t.w, "    %s\n", strings.ReplaceAll(strings.TrimSpace(c), "\n", "\n    "))
		}
	}
}

// work is what one round of a measure gets done.
type work struct {
	amount float64
	unit   string
}

// versus is the line that compares our speed with a peer's. It is ok if the ratio is at least asked; 0 asks nothing.
func versus(measure string, w work, ours, peer *side, asked float64) row {
	return against(measure, w.speed, ours, peer, asked)
}

// against is versus for whatever is written of the seconds that a side took.
func against(measure string, write func(seconds float64) string, ours, peer *side, asked float64) row {
	r := row{
		measure:  measure,
		ours:     write(median(ours.took)),
		peer:     write(median(peer.took)),
		ratio:    medianRatio(peer.took, ours.took),
		commands: []string{ours.command, peer.command},
	}
	if asked > 0 {
		r.asked = fmt.Sprintf(">= %g", asked)
		r.ok = r.ratio >= asked
	}
	return r
}

// atMost is the line of a quantity, of which less is better. It is ok if the median of the rounds is at most asked.
func atMost(measure string, rounds []float64, asked float64, write func(float64) string, commands ...string) row {
	x := median(rounds)
	return row{measure: measure, ours: write(x), asked: "<= " + write(asked), ok: x <= asked, commands: commands}
}

// milliseconds writes seconds as such.
func milliseconds(seconds float64) string { return fmt.Sprintf("%.3g ms", seconds*1e3) }

// mebibytes writes bytes as such.
func mebibytes(bytes float64) string { return fmt.Sprintf("%.0f MiB", bytes/(1<<20)) }

// percent writes a part of 1 as such.
func percent(part float64) string { return fmt.Sprintf("%.2f %%", part*100) }

func (w work) speed(seconds float64) string {
	return fmt.Sprintf("%.2f s, %s %s/s", seconds, group(w.amount/seconds), w.unit)
}

// group writes a number with thin groups of three digits, as in 12 345.
func group(x float64) string {
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// machine describes where the figures come from.
func machine(ctx context.Context, dir string) (string, error) {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", err
	}
	fstype, err := lastLine(ctx, "df", "--output=fstype", dir)
	if err != nil {
		return "", err
	}
	tar, err := exec.CommandContext(ctx, "tar", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("tar --version: %w", err)
	}
	tarVersion, _, _ := bytes.Cut(tar, []byte("\n"))
	return fmt.Sprintf("%s, %d cores · Linux %s · %s · %s · %s on %s",
		cpuModel(), runtime.NumCPU(), bytes.TrimSpace(kernel), runtime.Version(), tarVersion, dir, fstype), nil
}

func lastLine(ctx context.Context, argv ...string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", quote(argv), err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

// cpuModel is the processor's name, or its architecture where the kernel does not say (arm64).
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
