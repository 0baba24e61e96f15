package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The table of docs/performance.md is made from results files and from figures.txt, which has the figures and the limit
// of each row. So neither titles nor limits are in the code, and a row always shows a measured value. The tables of
// docs/which-way-is-fastest.md are made in the same way from ways.txt, whose rows have only a figure and a title.

var (
	//go:embed figures.txt
	figuresFile string
	//go:embed ways.txt
	waysFile string
)

// results are the values of figures by name, from one file.
type results struct {
	commit, date string
	values       map[string]map[string][]float64 // by name (without Benchmark) and unit
}

// readResults reads a results file. It ignores lines of the build of -base.
func readResults(r io.Reader) (results, error) {
	res := results{values: make(map[string]map[string][]float64)}
	build := "new"
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "Benchmark"); ok {
			words := strings.Fields(name)
			for i := 2; i+1 < len(words) && build == "new"; i += 2 {
				x, err := strconv.ParseFloat(words[i], 64)
				if err != nil {
					return res, fmt.Errorf("%q: %w", line, err)
				}
				if res.values[words[0]] == nil {
					res.values[words[0]] = make(map[string][]float64)
				}
				unit := words[i+1]
				res.values[words[0]][unit] = append(res.values[words[0]][unit], x)
			}
			continue
		}
		switch key, value, _ := strings.Cut(line, ": "); key {
		case "build":
			build = value
		case "commit":
			res.commit = value
		case "date":
			res.date = value
		}
	}
	return res, lines.Err()
}

// measured returns the times of a figure in seconds, or its values in another unit.
func (r results) measured(name string) (values []float64, unit string) {
	units := r.values[name]
	if ns := units["ns/op"]; len(ns) > 0 {
		for _, x := range ns {
			values = append(values, x/1e9)
		}
		return values, seconds
	}
	for _, unit := range slices.Sorted(maps.Keys(units)) {
		return units[unit], unit
	}
	return nil, ""
}

// speed returns the speed of a figure, such as 579 MB/s; "" if it has none.
func (r results) speed(name string) string {
	for _, unit := range slices.Sorted(maps.Keys(r.values[name])) {
		if strings.HasSuffix(unit, "/s") {
			return group(median(r.values[name][unit])) + " " + unit
		}
	}
	return ""
}

// A row is one line of figures.txt: four columns, separated by |; or of ways.txt.
type row struct {
	figure string // figure of shardfs
	peer   string // figure of the peer; "" if a quantity is reported, not a speed
	asked  string // limit, such as >= 0.3 (a ratio) or <= 64 MiB (a value); "" if none
	title  string
	way    bool // only the speed of the figure is shown
}

// parseRows parses figures.txt or ways.txt. A line without | starts a new table with that heading.
func parseRows(text string) (rows []row, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, "|")
		if len(cells) == 1 {
			rows = append(rows, row{title: line})
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch len(cells) {
		case 2:
			rows = append(rows, row{figure: cells[0], title: cells[1], way: true})
		case 4:
			rows = append(rows, row{figure: cells[0], peer: cells[1], asked: cells[2], title: cells[3]})
		default:
			return nil, fmt.Errorf("%d columns in %q, want 2 or 4", len(cells), line)
		}
	}
	return rows, nil
}

// writeTable writes rows with the newest values of each. all must be sorted, newest last.
func writeTable(w io.Writer, rows []row, all []results) error {
	for i, r := range rows {
		switch {
		case r.figure != "":
		case i+1 < len(rows) && rows[i+1].way:
			fmt.Fprintf(w, "\n| %s | speed | measured |\n|---|--:|---|\n", r.title)
			continue
		default:
			fmt.Fprintf(w, "\n**%s**\n\n| measure | shardfs | peer | ratio | asked | measured |\n"+
				"|---|--:|--:|--:|--:|---|\n", r.title)
			continue
		}
		line := fmt.Sprintf("| %s | – | – | – | %s | not yet |", r.title, orDash(r.asked))
		if r.way {
			line = fmt.Sprintf("| %s | – | not yet |", r.title)
		}
		for _, res := range slices.Backward(all) {
			text, ok, err := r.text(res)
			if err != nil {
				return err
			}
			if ok {
				line = text
				break
			}
		}
		fmt.Fprintln(w, line)
	}
	return nil
}

// text returns the row with the values of one results file; ok is false if the file does not have them.
func (r row) text(res results) (text string, ok bool, err error) {
	ours, unit := res.measured(r.figure)
	if len(ours) == 0 {
		return "", false, nil
	}
	if r.way {
		return fmt.Sprintf("| %s | %s | %s %s |", r.title, res.speed(r.figure), res.date, res.commit), true, nil
	}
	shown := value(median(ours), unit, res.speed(r.figure))
	compared := median(ours)
	peer, ratio := "–", "–"
	if r.peer != "" {
		theirs, peerUnit := res.measured(r.peer)
		if len(theirs) == 0 {
			return "", false, nil
		}
		compared = medianRatio(theirs, ours)
		peer, ratio = value(median(theirs), peerUnit, res.speed(r.peer)), fmt.Sprintf("%.2f", compared)
	}
	met, err := meets(r.asked, compared)
	switch {
	case err != nil:
		return "", false, err
	case !met && r.peer != "":
		ratio = "**" + ratio + "**"
	case !met:
		shown = "**" + shown + "**"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s %s |",
		r.title, shown, peer, ratio, orDash(r.asked), res.date, res.commit), true, nil
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// value formats a median for readers.
func value(x float64, unit, speed string) string {
	if unit == seconds {
		text := fmt.Sprintf("%.3g s", x)
		if x < 0.1 {
			text = fmt.Sprintf("%.3g ms", x*1e3)
		}
		if speed != "" {
			text += ", " + speed
		}
		return text
	}
	switch {
	case unit == "B" && x >= 10<<20:
		return fmt.Sprintf("%.0f MiB", x/(1<<20))
	case unit == "B":
		return fmt.Sprintf("%s kB", group(x/1e3))
	case unit == "%":
		return fmt.Sprintf("%.2f %%", x)
	case unit == "bytes/byte":
		return fmt.Sprintf("%.2f", x)
	}
	unit = strings.ReplaceAll(unit, "-", " ")
	switch {
	case x >= 1e3:
		return group(x) + " " + unit
	case x == 1:
		unit = strings.TrimSuffix(unit, "s")
	}
	return fmt.Sprintf("%.3g %s", x, unit)
}

// scales converts the units of figures.txt to those of the results.
var scales = map[string]float64{"ms": 1e-3, "s": 1, "kB": 1e3, "MiB": 1 << 20}

// meets reports whether a value is within the limit: ">= RATIO", "<= RATIO" or "<= LIMIT UNIT".
func meets(asked string, x float64) (bool, error) {
	if asked == "" {
		return true, nil
	}
	relation, rest, _ := strings.Cut(asked, " ")
	number, unit, _ := strings.Cut(rest, " ")
	limit, err := strconv.ParseFloat(number, 64)
	if err != nil || relation != "<=" && relation != ">=" {
		return false, fmt.Errorf("figures.txt: %q is neither >= N nor <= N", asked)
	}
	if scale, ok := scales[unit]; ok {
		limit *= scale
	}
	if relation == "<=" {
		return x <= limit, nil
	}
	return x >= limit, nil
}

// group formats a number with groups of three digits, such as 12 345.
func group(x float64) string {
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// The tables are between these lines of a document. The first names the file with their rows.
const (
	tableBegin = "<!-- made by make tables; edit bench/%s -->"
	tableEnd   = "<!-- end of the table -->"
)

// updateTable replaces the table in a document by a table of results files, given from oldest to newest.
func updateTable(doc string, files []string) error {
	var all []results
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		res, err := readResults(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, res)
	}
	old, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"figures.txt": figuresFile, "ways.txt": waysFile} {
		begin := fmt.Sprintf(tableBegin, name)
		before, rest, ok := strings.Cut(string(old), begin)
		_, after, closed := strings.Cut(rest, tableEnd)
		if !ok || !closed {
			continue
		}
		rows, err := parseRows(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var b strings.Builder
		fmt.Fprint(&b, before, begin, "\n")
		if err := writeTable(&b, rows, all); err != nil {
			return err
		}
		fmt.Fprint(&b, "\n", tableEnd, after)
		return os.WriteFile(doc, []byte(b.String()), 0o644)
	}
	return fmt.Errorf("%s: no place for the table: %s ... %s", doc, tableBegin, tableEnd)
}
