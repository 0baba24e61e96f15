package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every row names a figure that some measure reports.
func TestRowsNameMeasures(t *testing.T) {
	known := make(map[string]bool)
	for _, m := range measures() {
		known[m.name] = true
	}
	rows, err := parseRows(figuresFile)
	if err != nil {
		t.Fatal(err)
	}
	ways, err := parseRows(waysFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(rows, ways...) {
		for _, name := range []string{r.figure, r.peer} {
			if measure, _, _ := strings.Cut(name, "/"); name != "" && !known[measure] {
				t.Errorf("%s: no such measure", name)
			}
		}
		if _, err := meets(r.asked, 1); err != nil {
			t.Error(err)
		}
	}
}

// The table can read the report: times, quantities and rates, but nothing of the base build.
func TestReportToTable(t *testing.T) {
	w := work{10, "members"}
	ours, peer, peak := timed("by=shardfs", w), timed("by=tar", w), quantity("peak", "B")
	ours.values, peer.values, peak.values = []float64{0.5, 0.25, 0.5}, []float64{1, 1, 1}, []float64{64 << 20}
	var report bytes.Buffer
	report.WriteString("commit: abc\ndate: 2026-01-02\n\n")
	p := &plan{trials: []*trial{{command: "/a/shardfs one /d/x\ntwo", figures: []*figure{ours, peak}},
		{command: "tar", figures: []*figure{peer}}}}
	if err := p.write(&report, "Index", "new", &bench{shardfs: "/a/shardfs", dir: "/d"}); err != nil {
		t.Fatal(err)
	}
	if err := p.write(&report, "Index", "base", &bench{shardfs: "/b/shardfs", dir: "/d"}); err != nil {
		t.Fatal(err)
	}
	if want := "BenchmarkIndex/by=shardfs 1 500000000 ns/op 20 members/s\n"; !strings.Contains(report.String(), want) {
		t.Errorf("no line %q in\n%s", want, &report)
	}
	if want := "# shardfs one DIR/x\n# two\n"; !strings.Contains(report.String(), want) {
		t.Errorf("no lines %q in\n%s", want, &report)
	}
	res, err := readResults(&report)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		row  row
		want string
	}{
		{
			row{figure: "Index/by=shardfs", peer: "Index/by=tar", asked: ">= 2", title: "index"},
			"| index | 0.5 s, 20 members/s | 1 s, 10 members/s | 2.00 | >= 2 | 2026-01-02 abc |",
		},
		{
			row{figure: "Index/by=shardfs", peer: "Index/by=tar", asked: ">= 2.5", title: "index"},
			"| index | 0.5 s, 20 members/s | 1 s, 10 members/s | **2.00** | >= 2.5 | 2026-01-02 abc |",
		},
		{
			row{figure: "Index/peak", asked: "<= 60 MiB", title: "memory"},
			"| memory | **64 MiB** | – | – | <= 60 MiB | 2026-01-02 abc |",
		},
		{row{figure: "Index/by=tar", title: "tar", way: true}, "| tar | 10 members/s | 2026-01-02 abc |"},
	} {
		if got, ok, err := tt.row.text(res); !ok || err != nil || got != tt.want {
			t.Errorf("text = %q, %t, %v, want %q", got, ok, err, tt.want)
		}
	}
}

// Values are shown with three digits, and with words that fit their number.
func TestValue(t *testing.T) {
	for _, tt := range []struct {
		x    float64
		unit string
		want string
	}{
		{0.01234, seconds, "12.3 ms"},
		{1, "requests", "1 request"},
		{125.4, "requests/GB", "125 requests/GB"},
		{3641, "requests/GB", "3 641 requests/GB"},
		{1.0034, "bytes/byte", "1.00"},
		{1.69, "round-trips", "1.69 round trips"},
		{11.72, "B/member", "11.7 B/member"},
		{1_786_000, "B", "1 786 kB"},
	} {
		if got := value(tt.x, tt.unit, ""); got != tt.want {
			t.Errorf("value(%v, %q) = %q, want %q", tt.x, tt.unit, got, tt.want)
		}
	}
	if got, want := value(0.0566, seconds, "35 360 files/s"), "56.6 ms, 35 360 files/s"; got != want {
		t.Errorf("a time and a speed: %q, want %q", got, want)
	}
}

// The table of a document shows, in each row, the newest results that have its figures.
func TestUpdateTable(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const of = "Index/members=30000/by="
	older := file("older", "commit: old\nbuild: new\nBenchmark"+of+"shardfs 1 1000000000 ns/op\nBenchmark"+of+
		"tar 1 2000000000 ns/op\n"+
		"BenchmarkMountMillion/first-line 1 11000000 ns/op\n")
	newer := file("newer", "commit: new\nbuild: new\nBenchmark"+of+"shardfs 1 1000000000 ns/op\nBenchmark"+of+
		"tar 1 3000000000 ns/op\n")
	doc := file("doc", "before\n"+fmt.Sprintf(tableBegin, "figures.txt")+"\nold\n"+tableEnd+"\nafter\n")
	if err := updateTable(doc, []string{older, newer}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n", "| 3.00 | >= 1.0 |  new |", "| 11 ms | – | – | <= 13 ms |  old |",
		"not yet", "after\n"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in\n%s", want, b)
		}
	}
	if err := updateTable(file("none", "no table"), nil); err == nil {
		t.Error("no error for a document without a place for the table")
	}
}
