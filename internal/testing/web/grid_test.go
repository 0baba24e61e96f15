package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/shardfs/shardfs/internal/testing/web/chromium"
)

// drawn is a condition on the grid: the cells in view have their samples, and no picture is still waited for.
const drawn = chromium.Drawn

// The grid has a cell for each sample, with what can be seen of it, and is gone through by keys.
func TestGrid(t *testing.T) {
	t.Parallel()
	p := open(t, view(t, mixed(t)).url, screen{})
	p.until("the cells", drawn)
	p.shows("#found", fmt.Sprintf("%d samples", mixedSamples))
	p.until("a picture", "document.querySelector('.cell canvas').width > 100")
	texts := []string{"s000", "0 · ", "The picture 0", "wav", "npy", "cannot be shown", "too large to show"}
	for _, text := range texts {
		p.shows(".cell", text)
	}
	p.until("a video", "document.querySelector('.cell video')?.readyState >= 2")
	p.until("a player of sound", "document.querySelector('.cell audio[controls]')")

	p.run("document.querySelector('.cell a').focus()", nil)
	for _, step := range []struct{ key, to string }{
		{kb.ArrowRight, "s001"}, {kb.ArrowRight, "s002"}, {kb.ArrowLeft, "s001"}, {kb.Home, "s000"}} {
		p.press(step.key)
		p.until("the focus on "+step.to,
			"document.activeElement.getAttribute('aria-label').startsWith("+quote(step.to)+")")
	}
	p.press(kb.ArrowDown)
	below := p.text("document.activeElement.getAttribute('aria-label')")
	if strings.HasPrefix(below, "s000") {
		t.Error("the arrow down stays on the first sample")
	}
	p.press(kb.Enter)
	p.until("the sample's page", "location.hash.startsWith('#/sample/')")
	p.press(kb.Escape)
	p.until("the grid, with the focus where it was",
		"document.activeElement.getAttribute('aria-label') === "+quote(below))
}

// A filter finds samples, by words and by facets; its samples are offered as a list of keys that shardfs takes.
func TestFilter(t *testing.T) {
	t.Parallel()
	shard := mixed(t)
	p := open(t, view(t, shard).url, screen{})
	p.until("the cells", drawn)
	p.filter("cls==7 has:jpg")
	p.shows("#found", "5 of 60 samples")
	p.until("five cells", "document.querySelectorAll('.cell').length === 5 && "+drawn)
	p.shows("#selection .command", "--keys")
	var keys string
	p.run("fetch(document.querySelector('#selection a').href).then((answer) => answer.text())", &keys)
	if keys != "s017\ns027\ns037\ns047\ns057\n" {
		t.Errorf("the keys are %q", keys)
	}
	p.click(".cell a")
	p.shows(".sample-key", "s017")
	p.press(kb.ArrowRight)
	p.shows(".sample-key", "s027")
	p.shows(".place", "2 of 5")
	p.press(kb.Escape)
	p.until("the grid", "document.querySelectorAll('.cell').length === 5")

	p.filter("cls==77")
	p.shows("#nothing", "No sample matches")
	p.click("#clear")
	p.shows("#found", "60 samples")
	p.until("no filter, and the focus where it is typed", "document.querySelector('#nothing').hidden && "+
		"document.querySelector('#query').value === '' && document.activeElement.id === 'query'")
	p.filter("((")
	p.until("what is wrong", "document.querySelector('#query-fault').innerText && "+
		"document.querySelector('#query').ariaInvalid === 'true'")
	p.filter("")
	p.shows("#found", "60 samples")
	p.click("#facets-button")
	p.click("button[data-term='has:npy']")
	p.shows("#found", "1 of 60 samples")
	p.until("the term", "document.querySelector('#query').value === 'has:npy' && "+
		"document.querySelector('button[data-term=\"has:npy\"]').ariaPressed === 'true'")
}
