package web

import (
	"os"
	"path/filepath"
	"testing"
)

// counted is a condition on the page of statistics: all is counted.
const counted = "document.querySelector('.summary') && document.querySelector('.progress').innerText === ''"

// The statistics are numbers, plots with their numbers in words, and ways to the samples that are counted.
func TestStatistics(t *testing.T) {
	long(t)
	t.Parallel()
	v := view(t, mixed(t), writeShard(t, "more.tar", []file{{"a.txt", []byte("one")}, {"b.txt", []byte("three")}}))
	p := open(t, v.url+"#/statistics", screen{})
	p.until("the numbers", counted)
	for _, text := range []string{"Samples 62", "Members 222", "First key s000", "Last key b"} {
		p.until(text, "[...document.querySelectorAll('.summary > div')]"+
			".some((e) => e.innerText.replace(/\\s+/g, ' ') === "+quote(text)+")")
	}
	for _, text := range []string{"Findings of check", "fields-differ", "Extensions", "Sizes", "Shards",
		"Values of cls", "Pictures", "Width in pixels", "Lengths of texts", "Fields of json"} {
		p.shows(".statistics", text)
	}
	p.until("the samples of each shard",
		"[...document.querySelectorAll('.bars tr')].some((e) => /mixed.tar\\s+60/.test(e.innerText))")
	p.until("plots with names", "document.querySelectorAll('figure svg[role=img]').length > 5 && "+
		"[...document.querySelectorAll('figure svg')].every((e) => /least .* median /.test(e.ariaLabel))")
	// What is all of one size needs no plot.
	p.shows("figcaption", "51, each 1 B")
	p.click(".wide a[href*='npy']")
	p.shows("#found", "1 of 62 samples")
	p.until("the sample", "document.querySelectorAll('.cell').length === 1")
	p.shows(".cell", "s004")
}

// The page that stats --html writes is whole by itself, and accessible.
func TestStatisticsPage(t *testing.T) {
	long(t)
	t.Parallel()
	needBrowser(t)
	script := axe(t)
	name := filepath.Join(t.TempDir(), "page.html")
	shardfs(t, "stats", "--pictures", "--contents", "--check", "--html", name, mixed(t))
	if info, err := os.Stat(name); err != nil || info.Size() > 1<<20 {
		t.Fatalf("the page: %v %v", info, err)
	}
	for _, s := range []screen{{width: 1280, height: 800}, {width: 360, height: 740, dark: true}} {
		p := open(t, "file://"+name, s)
		p.shows("h1", "mixed.tar")
		p.shows("body", "fields-differ")
		p.accessible(script, "the page of stats")
		p.fits("the page of stats")
		p.until("plots", "document.querySelector('svg')")
		if n := p.asked("http"); n != 0 {
			t.Errorf("the page has asked for %d other files", n)
		}
	}
}
