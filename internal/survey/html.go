package survey

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// style is that of the page. Colours follow the reader's choice of light or dark; none carries a meaning.
const style = `:root{color-scheme:light dark;--bar:light-dark(#2f6fb3,#7ab0ea);--line:light-dark(#ccc,#555)}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:1rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0}
td,th{padding:.1rem .6rem;text-align:right;border-bottom:1px solid var(--line)}
th{white-space:nowrap}td:first-child,th:first-child{text-align:left;overflow-wrap:break-word}
h1,h2,p,figcaption{overflow-wrap:anywhere}
.wide{overflow-x:auto}figure{margin:1rem 0}svg{width:100%;max-width:44rem;height:auto}
rect{fill:var(--bar)}text{fill:currentColor;font:12px system-ui,sans-serif}line{stroke:var(--line)}`

// WriteHTML writes a survey as one page that needs no other file and runs no script: tables, and plots as SVG, in
// which each number is a text, too. Title is the name of what was surveyed; no text of the survey is taken as markup.
func (s *Survey) WriteHTML(w io.Writer, title string) error {
	p := &page{}
	p.printf("<!doctype html>\n<html lang=en><meta charset=utf-8>\n")
	p.printf("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
	p.printf("<meta name=viewport content=\"width=device-width\">\n<title>%s</title>\n<style>%s</style>\n<main>\n",
		text(title), style)
	p.printf("<h1>%s</h1>\n", text(title))
	p.table([]string{"samples", "members", "entries outside samples", "bytes"},
		[][]string{{number(s.Samples), number(s.Members), number(s.Outside), number(s.Bytes)}})
	if s.Samples > 0 {
		p.printf("<p>Keys: %s … %s; %s in directories.</p>\n", text(string(s.Keys.First)), text(string(s.Keys.Last)),
			number(s.Keys.InDirectories))
	}
	p.shards(s)
	p.extensions(s)
	for _, f := range s.Fields {
		p.field(s, f)
	}
	p.pictures(s.Pictures)
	for _, t := range s.Texts {
		p.printf("<h2>Texts: %s</h2>\n", text(string(t.Ext)))
		p.printf("<p>%s, of which %s are not UTF-8.</p>\n", number(t.Characters.Count()), number(t.NotUTF8))
		p.distribution("characters", &t.Characters, 1)
	}
	for _, d := range s.Documents {
		p.document(d)
	}
	p.findings(s.Findings)
	p.printf("</main>\n")
	_, err := w.Write(p.Bytes())
	return err
}

// page is a page that is being written.
type page struct{ bytes.Buffer }

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// text returns a text for a page: bytes that are not UTF-8 are replaced.
func text(s string) string { return html.EscapeString(strings.ToValidUTF8(s, "\uFFFD")) }

// number returns a number with its digits in groups.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202F" + s[i:]
	}
	return s
}

// table writes a table. Its head and cells are markup.
func (p *page) table(head []string, rows [][]string) {
	// What scrolls sideways can be reached by keys.
	p.printf("<div class=wide tabindex=0 role=region aria-label=\"%s …\"><table><thead><tr>", head[0])
	for _, h := range head {
		p.printf("<th scope=col>%s", h)
	}
	p.printf("<tbody>\n")
	for _, row := range rows {
		p.printf("<tr>")
		for _, cell := range row {
			p.printf("<td>%s", cell)
		}
		p.printf("\n")
	}
	p.printf("</table></div>\n")
}

// bar is a bar of a plot.
type bar struct {
	label string // text
	count int64
}

// A plot of mostBars bars is as high as two pages. Of more shards or values the first are shown.
const mostBars = 50

// plot writes bars, one below the other, with their labels and counts.
func (p *page) plot(title string, bars []bar) {
	more := len(bars) - mostBars
	bars = bars[:min(len(bars), mostBars)]
	var most int64 = 1
	for _, b := range bars {
		most = max(most, b.count)
	}
	const left, width, row = 190, 400, 18
	p.printf("<figure><figcaption>%s</figcaption>\n", text(title))
	p.printf("<svg viewBox='0 0 700 %d'>\n", row*len(bars)+4)
	p.printf("<line x1=%d x2=%d y1=0 y2=%d />\n", left, left, row*len(bars)+4)
	for i, b := range bars {
		y := row*i + 2
		length := max(float64(b.count)/float64(most)*width, 1)
		if b.count == 0 {
			length = 0
		}
		p.printf("<text x=%d y=%d text-anchor=end>%s</text><rect x=%d y=%d width=%.1f height=%d />", left-6, y+12,
			text(shortened(b.label)), left, y, length, row-4)
		p.printf("<text x=%.1f y=%d>%s</text>\n", left+length+6, y+12, number(b.count))
	}
	p.printf("</svg>")
	if more > 0 {
		p.printf("<p>%s more are not shown.</p>", number(int64(more)))
	}
	p.printf("</figure>\n")
}

// shortened returns a label that fits beside a plot.
func shortened(s string) string {
	const most = 28
	if n := utf8.RuneCountInString(s); n > most {
		r := []rune(s)
		return string(r[:most/2]) + "…" + string(r[n-most/2+1:])
	}
	return s
}

// distribution plots a distribution in at most 24 ranges of one width or, where the numbers differ much, of one ratio.
// Numbers are divided by unit.
func (p *page) distribution(title string, d *Distribution, unit float64) {
	if d.Count() == 0 {
		return
	}
	shown := func(n int64) string {
		if unit == 1 {
			return number(n)
		}
		return strconv.FormatFloat(float64(n)/unit, 'f', 2, 64)
	}
	p.table([]string{text(title), "least", "median", "greatest"},
		[][]string{{"", shown(d.Min()), shown(d.Median()), shown(d.Max())}})
	if d.Min() == d.Max() {
		return
	}
	var bars []bar
	for _, r := range ranges(d) {
		label := shown(r.from)
		if last := shown(r.to); last != label {
			label += " – " + last
		}
		bars = append(bars, bar{label, r.count})
	}
	p.plot(title, bars)
}

// numbers are those from from to to, and how often they occur.
type numbers struct{ from, to, count int64 }

// ranges divides a distribution for a plot.
func ranges(d *Distribution) (list []numbers) {
	const most = 24
	from, to := step(d.Min()), d.Max()
	next := func(at int64) int64 { return at + max((to-from)/most+1, 1) }
	if to/max(from, 1) > 50 {
		next = func(at int64) int64 { // ratios of a root of two, by the steps of the histogram
			if at < 8 {
				return at + 1
			}
			return step(max(at+at*2/5, at+1))
		}
		if to/max(from, 1) > 4000 {
			next = func(at int64) int64 { return max(2*at, 1) }
		}
	}
	steps := d.Histogram()
	for at := from; at <= to && at < math.MaxInt64; {
		end := next(at)
		if end <= at {
			end = math.MaxInt64 // it would not fit
		}
		r := numbers{max(at, d.Min()), min(end-1, to), 0}
		for len(steps) > 0 && steps[0].From < end {
			r.count += steps[0].Count
			steps = steps[1:]
		}
		if at = end; end == math.MaxInt64 {
			r.to = to
		}
		list = append(list, r)
	}
	return list
}

func (p *page) shards(s *Survey) {
	if len(s.Shards) < 2 {
		return
	}
	p.printf("<h2>Shards</h2>\n")
	var d Distribution
	var bars []bar
	for _, sh := range s.Shards {
		d.Add(sh.Samples)
		name := string(sh.Name)
		bars = append(bars, bar{name[strings.LastIndexByte(name, '/')+1:], sh.Samples})
	}
	if len(bars) > mostBars {
		p.distribution("samples of a shard", &d, 1)
		return
	}
	p.plot("samples of each shard", bars)
}

func (p *page) extensions(s *Survey) {
	if s.Samples == 0 {
		return
	}
	p.printf("<h2>Extensions</h2>\n")
	var rows [][]string
	list, others := s.Frequent(mostBars)
	for _, e := range list {
		d := &e.Bytes
		rows = append(rows, []string{text(string(e.Ext)), e.Kind, number(e.Count), number(s.Samples - e.Samples),
			number(d.Sum()), number(d.Min()), number(d.Median()), number(d.Max())})
	}
	p.table([]string{
		"extension", "kind", "members", "samples that lack it", "bytes", "least", "median", "greatest",
	}, rows)
	if others > 0 {
		p.printf("<p>%s more are not shown.</p>", number(int64(others)))
	}
	for _, e := range list {
		p.distribution("bytes of "+string(e.Ext), &e.Bytes, 1)
	}
	p.distribution("bytes of a sample", &s.SampleBytes, 1)
}

func (p *page) field(s *Survey, f *Field) {
	p.printf("<h2>%s</h2>\n", text(string(f.Name)))
	values := f.Values.Values()
	p.printf("<p>%s values in %s samples; %s samples are without.</p>\n", number(int64(len(values))), number(f.Samples),
		number(s.Samples-f.Samples))
	var bars []bar
	for _, v := range values {
		bars = append(bars, bar{cmp.Or(string(v.Value), "(empty)"), v.Count})
	}
	if n := f.Values.Others(); n > 0 {
		bars = append(bars, bar{"others, not told apart", n})
	}
	p.plot("samples by "+string(f.Name), bars)
}

func (p *page) pictures(s *Pictures) {
	if s == nil {
		return
	}
	p.printf("<h2>Pictures</h2>\n")
	p.table([]string{"pictures", "damaged", "not of a known format", "size not in 64 KiB"},
		[][]string{{number(s.Count), number(s.Damaged), number(s.Unknown), number(s.TooFar)}})
	p.distribution("width in pixels", &s.Width, 1)
	p.distribution("height in pixels", &s.Height, 1)
	p.distribution("width divided by height", &s.Aspect, 1000)
}

func (p *page) document(d *Document) {
	p.printf("<h2>Fields of %s</h2>\n", text(string(d.Ext)))
	p.printf("<p>%s documents; %s are not JSON, %s of over 16 MiB were not read.</p>\n", number(d.Count),
		number(d.Invalid), number(d.TooLarge))
	var bars []bar
	for _, f := range d.Fields {
		bars = append(bars, bar{string(f.Name), f.Count})
	}
	p.plot("documents by the fields that they have", bars)
}

func (p *page) findings(list []Finding) {
	if list == nil {
		return
	}
	p.printf("<h2>Findings of check</h2>\n")
	if len(list) == 0 {
		p.printf("<p>None.</p>\n")
		return
	}
	var rows [][]string
	for _, f := range list {
		rows = append(rows, []string{string(f.Code), f.Severity, number(f.Count), text(string(f.Example))})
	}
	p.table([]string{"code", "severity", "count", "one of them"}, rows)
}
