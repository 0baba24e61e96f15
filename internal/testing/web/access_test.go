package web

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// axe returns the checker of accessibility, which make page-tools installs.
func axe(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SHARDFS_PAGE_TOOLS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			skip.Needed(t, "axe-core: %v", err)
		}
		dir = filepath.Join(cache, "shardfs-page")
	}
	b, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		skip.Needed(t, "axe-core, by make page-tools: %v", err)
	}
	return string(b)
}

// accessible fails the test if axe finds something that is serious or critical in what a tab shows now.
func (p *tab) accessible(axe, what string) {
	p.t.Helper()
	var findings []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML string }
	}
	p.run(axe+"; axe.run().then(({ violations }) => violations)", &findings)
	for _, f := range findings {
		if f.Impact == "serious" || f.Impact == "critical" {
			p.t.Errorf("%s: %s: %s: %s in %d places, first %s",
				what, f.Impact, f.ID, f.Help, len(f.Nodes), f.Nodes[0].HTML)
		}
	}
}

// Axe finds nothing serious, light and dark, on a wide screen and on one of 360 pixels, on which nothing is wider than the
// screen.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	script := axe(t)
	v := view(t, mixed(t))
	screens := []screen{{width: 1280, height: 800}, {width: 360, height: 740, dark: true},
		{width: 1280, height: 800, dark: true}, {width: 360, height: 740}}
	if testing.Short() {
		screens = screens[:2]
	}
	for _, s := range screens {
		t.Run(fmt.Sprintf("%d wide, dark %t", s.width, s.dark), func(t *testing.T) { allAccessible(t, script, v, s) })
	}
}

// allAccessible looks at each view of the page on one screen.
func allAccessible(t *testing.T, script string, v *viewer, s screen) {
	p := open(t, v.url, s)
	look := func(what string) {
		t.Helper()
		p.accessible(script, what)
		p.fits(what)
	}
	p.until("the cells", drawn)
	look("grid")
	p.press("?")
	p.until("the help", "document.querySelector('#help').open")
	look("help")
	p.run("document.querySelector('#help').close()", nil)
	p.click("#facets-button")
	p.shows("#facets", "npy")
	look("facets")
	p.click("#facets-button")
	for _, n := range []int{
		plainSample, maskedSample, videoSample, arraySample, markupSample, bombSample, bytesSample,
	} {
		p.run(fmt.Sprintf("location.hash = '#/sample/%d'", n), nil)
		p.until("the sample", fmt.Sprintf("document.querySelector('.sample-key').innerText.includes('s%03d')", n))
		look(fmt.Sprintf("sample %d", n))
	}
	p.run("location.hash = '#/statistics'", nil)
	p.until("the numbers", counted)
	look("statistics")
	p.run("location.hash = '#/'", nil)
	p.until("the grid", drawn)
}

// fits fails the test if the page, or a part of it that does not scroll sideways by design, is wider than the screen.
func (p *tab) fits(what string) {
	p.t.Helper()
	wide := p.text("[...document.querySelectorAll('html, body, header, main, main > section, .tools, .sample-bar')]" +
		".filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.className || e.id || e.tagName).join(', ')")
	if wide = strings.TrimSpace(wide); wide != "" {
		p.t.Errorf("%s: wider than the screen: %s", what, wide)
	}
}
