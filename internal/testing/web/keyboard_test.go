package web

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// focused is what has the focus: its name, or else its text.
const focused = "((e) => e.getAttribute('aria-label') ?? e.labels?.[0]?.innerText ?? e.innerText)" +
	"(document.activeElement)"

// Tab reaches all that can be done, in the order in which it is seen, and the page needs no pointer.
func TestKeyboard(t *testing.T) {
	long(t)
	t.Parallel()
	p := open(t, view(t, mixed(t)).url, screen{})
	p.until("the cells", drawn)
	for _, name := range []string{"Skip to the samples", "mixed.tar", "Filter samples", "How to filter", "Facets",
		"Statistics", "Colours: auto", "Go to sample", "Size of the pictures", "s000; "} {
		p.press(kb.Tab)
		p.until("the focus on "+name, focused+".startsWith("+quote(name)+") && "+
			"getComputedStyle(document.activeElement).outlineStyle !== 'none'")
	}

	// Grid, sample, its members and how one is shown, and back.
	p.press(kb.ArrowRight, kb.Enter)
	p.shows(".sample-key", "s001")
	p.until("the focus on the key", "document.activeElement.className === 'sample-key'")
	p.until("the members", "document.querySelectorAll('.members li').length === 3")
	p.run("document.querySelector('.members button').focus()", nil)
	p.press(kb.ArrowDown, kb.ArrowDown)
	p.shows(".member-name", "s001.json")
	p.until("the focus on the member", focused+".startsWith('json')")
	p.press(kb.Escape)
	p.until("the focus where it was", focused+".startsWith('s001; ')")

	// A filter, its samples, and none of it.
	p.press("/")
	p.until("the focus on the filter", "document.activeElement.id === 'query'")
	p.filter("cls==7")
	p.shows("#found", "5 of 60 samples")
	p.until("five cells", "document.querySelectorAll('.cell').length === 5 && "+drawn)
	p.press(kb.Escape)
	p.until("the focus on the first of them", focused+".startsWith('s017; ')")
	p.press("g")
	p.press("3", kb.Enter)
	p.until("the focus on the third", focused+".startsWith('s037; ')")

	// Facets, help, statistics, and back from each.
	p.press("f")
	p.shows("#facets", "jpg")
	p.press(kb.Escape)
	p.until("no facets", "document.querySelector('#facets').hidden")
	p.press("?")
	p.until("the help", "document.querySelector('#help').open")
	p.press(kb.Escape)
	p.until("no help", "!document.querySelector('#help').open")
	p.run("document.querySelector('#statistics-link').focus()", nil)
	p.press(kb.Enter)
	p.until("the numbers", counted)
	p.press(kb.Escape)
	p.until("the samples that were found", "location.hash.includes('cls') && "+
		"document.querySelectorAll('.cell').length === 5")
}

// Nothing moves where that is not wanted.
func TestMotion(t *testing.T) {
	long(t)
	t.Parallel()
	v := view(t, mixed(t))
	for _, motion := range []bool{false, true} {
		p := open(t, v.url, screen{motion: motion})
		p.until("the cells", drawn)
		const moving = "[...document.querySelectorAll('*')].some((e) => ['animationName', 'transitionProperty']" +
			".some((name) => !['none', 'all'].includes(getComputedStyle(e)[name])))"
		if got := p.text(moving); (got == "true") != motion {
			t.Errorf("motion %t: something moves: %s", motion, got)
		}
	}
}
