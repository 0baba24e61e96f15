package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/shardfs/shardfs/internal/survey"
	"github.com/shardfs/shardfs/internal/ui"
)

// mostListed is how many values of a field, or fields of JSON, are printed. JSON has all.
const mostListed = 20

// mostExtensions is how many extensions are printed, those with the most members.
const mostExtensions = 100

// writeStats prints a survey for people.
func writeStats(out io.Writer, s *survey.Survey) error {
	w := &writer{Writer: out}
	w.printf("samples  %d\n", s.Samples)
	w.printf("members  %d\n", s.Members)
	w.printf("others   %d\n", s.Outside)
	w.printf("bytes    %d\n", s.Bytes)
	if s.Samples == 0 {
		return w.err
	}
	w.printf("keys     %s ... %s\n", ui.Printable(string(s.Keys.First)), ui.Printable(string(s.Keys.Last)))
	if n := s.Keys.InDirectories; n > 0 {
		w.printf("         %d in directories\n", n)
	}
	if len(s.Shards) > 1 {
		var d survey.Distribution
		for _, sh := range s.Shards {
			d.Add(sh.Samples)
		}
		w.printf("shards   %d, with %d to %d samples, the median is %d\n", len(s.Shards), d.Min(), d.Max(), d.Median())
	}
	writeExtensions(w, s)
	for _, f := range s.Fields {
		writeField(w, s, f)
	}
	writePictures(w, s.Pictures)
	writeTexts(w, s.Texts)
	for _, d := range s.Documents {
		writeDocument(w, d)
	}
	if s.Findings != nil {
		w.printf("\nfindings\n")
		for _, f := range s.Findings {
			w.printf("%10d  %-8s %s: %s\n", f.Count, f.Severity, f.Code, ui.Printable(string(f.Example)))
		}
		if len(s.Findings) == 0 {
			w.printf("            none\n")
		}
	}
	return w.err
}

// aligned returns a writer that aligns the columns of lines, to the right.
func aligned(w *writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w.Writer, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// flush ends a table.
func (w *writer) flush(t *tabwriter.Writer) {
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
}

func writeExtensions(w *writer, s *survey.Survey) {
	w.printf("\n")
	t := aligned(w)
	fmt.Fprint(t, "extension\tmembers\tlacking\tbytes\tleast\tmedian\tgreatest\t\n")
	row := func(name string, members, lacking int64, d *survey.Distribution) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, members, lacking, d.Sum(), d.Min(), d.Median(), d.Max())
	}
	list, others := s.Frequent(mostExtensions)
	for _, e := range list {
		row(shortened(ui.Printable(string(e.Ext))), e.Count, s.Samples-e.Samples, &e.Bytes)
	}
	row("a sample", s.Members, 0, &s.SampleBytes)
	w.flush(t)
	if others > 0 {
		w.printf("%s more; --json has all\n", ui.Count(others, "extension"))
	}
}

// shortened returns a text that does not make a column wider than a terminal.
func shortened(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most/2]) + "…" + string(r[len(r)-most/2+1:])
	}
	return s
}

func writeField(w *writer, s *survey.Survey, f *survey.Field) {
	values := f.Values.Values()
	w.printf("\n%s: %s in %s", ui.Printable(string(f.Name)), ui.Count(len(values), "value"),
		ui.Count(int(f.Samples), "sample"))
	if lacking := s.Samples - f.Samples; lacking > 0 {
		w.printf(", %d without", lacking)
	}
	w.printf("\n")
	for i, v := range values {
		if i == mostListed {
			w.printf("            %s more; --json has all\n", ui.Count(len(values)-i, "value"))
			break
		}
		w.printf("%10d  %s\n", v.Count, ui.Printable(string(v.Value)))
	}
	if n := f.Values.Others(); n > 0 {
		w.printf("%10d  others, not told apart\n", n)
	}
}

func writePictures(w *writer, p *survey.Pictures) {
	if p == nil {
		return
	}
	w.printf("\npictures: %d", p.Count)
	for _, format := range slices.Sorted(maps.Keys(p.Formats)) {
		w.printf(", %d %s", p.Formats[format], format)
	}
	w.printf("\n")
	for _, odd := range []struct {
		n    int64
		what string
	}{
		{p.Damaged, "damaged"}, {p.Unknown, "not pictures of a known format"},
		{p.TooFar, "whose size is not in 64 KiB"},
	} {
		if odd.n > 0 {
			w.printf("          %d %s\n", odd.n, odd.what)
		}
	}
	if p.Count == 0 {
		return
	}
	t := aligned(w)
	fmt.Fprint(t, "\tleast\tmedian\tgreatest\t\n")
	fmt.Fprintf(t, "width\t%d\t%d\t%d\t\n", p.Width.Min(), p.Width.Median(), p.Width.Max())
	fmt.Fprintf(t, "height\t%d\t%d\t%d\t\n", p.Height.Min(), p.Height.Median(), p.Height.Max())
	aspect := func(thousandths int64) string { return fmt.Sprintf("%.3f", float64(thousandths)/1000) }
	fmt.Fprintf(t, "aspect\t%s\t%s\t%s\t\n", aspect(p.Aspect.Min()), aspect(p.Aspect.Median()), aspect(p.Aspect.Max()))
	w.flush(t)
}

func writeTexts(w *writer, texts []*survey.Texts) {
	if len(texts) == 0 {
		return
	}
	w.printf("\n")
	t := aligned(w)
	fmt.Fprint(t, "texts\tcount\tnot UTF-8\tcharacters\tleast\tmedian\tgreatest\t\n")
	for _, x := range texts {
		d := &x.Characters
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", ui.Printable(string(x.Ext)), d.Count(), x.NotUTF8, d.Sum(),
			d.Min(), d.Median(), d.Max())
	}
	w.flush(t)
}

func writeDocument(w *writer, d *survey.Document) {
	w.printf("\n%s: %s", ui.Printable(string(d.Ext)), ui.Count(int(d.Count), "document"))
	if d.Invalid > 0 {
		w.printf(", %d not JSON", d.Invalid)
	}
	if d.TooLarge > 0 {
		w.printf(", %d of over 16 MiB not read", d.TooLarge)
	}
	w.printf("\n")
	for i, f := range d.Fields {
		if i == mostListed {
			w.printf("            %s more; --json has all\n", ui.Count(len(d.Fields)-i, "field"))
			break
		}
		types := strings.Join(slices.Sorted(maps.Keys(f.Types)), ", ")
		w.printf("%10d  %s: %s\n", f.Count, ui.Printable(string(f.Name)), types)
	}
}
