package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// sample returns the address of a sample's page.
func (v *viewer) sample(n int) string { return fmt.Sprintf("%s#/sample/%d", v.url, n) }

// A sample's page shows all its members, one of them large, and the command that prints the same bytes.
func TestSample(t *testing.T) {
	t.Parallel()
	v := view(t, mixed(t))
	p := open(t, v.sample(plainSample), screen{})
	p.shows(".sample-key", "s000")
	p.until("the picture", "document.querySelector('.sheet img')?.naturalWidth === 320")
	for _, text := range []string{"jpg", "320 × 240", "cls", "json", "class 0", "The picture 0, for <b>testing</b>."} {
		p.shows(".members", text)
	}
	p.shows(".facts", "s000.jpg")
	p.shows(".facts .command", "shardfs cat ")
	p.click(".members li:nth-child(3) button")
	p.shows(".sample-stage .tree", `label: "class 0"`)
	p.press(kb.ArrowRight)
	p.shows(".sample-key", "s001")
	p.press(kb.ArrowLeft)
	p.shows(".sample-key", "s000")

	p.run("location.hash = '#/sample/999999'", nil)
	p.until("that there is none", "document.querySelector('.sample-stage .fault')")
	p.press(kb.Escape)
	p.until("the grid", drawn)
}

// Masks and boxes are laid over the picture that they are about.
func TestOverlays(t *testing.T) {
	t.Parallel()
	p := open(t, view(t, mixed(t)).sample(maskedSample), screen{})
	p.shows(".overlays", "Mask seg.png")
	p.until("the values of the mask", "document.querySelectorAll('.values li').length === 3")
	p.until("the boxes", "document.querySelectorAll('.boxes rect:not(.halo)').length === 2")
	p.until("their labels as text", "document.querySelector('.boxes').textContent === 'a dog<b>cat'")
	p.until("the place of a box", `(() => {
		const box = document.querySelector('.boxes rect:not(.halo)').getBoundingClientRect();
		const all = document.querySelector('.sheet img').getBoundingClientRect();
		const scale = all.width / 320;
		return Math.abs(box.x - all.x - 20 * scale) < 3 && Math.abs(box.width - 100 * scale) < 5;
	})()`)
	p.click(".overlay input[type=checkbox]")
	p.until("no mask", "getComputedStyle(document.querySelector('.mask')).display === 'none'")
	p.until("a number as it is written",
		"document.querySelector('.members .number').textContent === '12345678901234567890'")
}

// A picture can be zoomed by buttons, keys and the wheel; the point under the pointer stays where it is.
func TestZoom(t *testing.T) {
	t.Parallel()
	p := open(t, view(t, mixed(t)).sample(plainSample), screen{})
	width := "document.querySelector('.sheet img').getBoundingClientRect().width"
	p.until("the picture", "document.querySelector('.sheet img') && "+width+" === 320")
	p.click(".zoom [aria-label^=Larger]")
	p.until("a larger one", "Math.abs("+width+" - 480) < 1")
	p.run("document.querySelector('.panes').focus()", nil)
	p.press("+", "+")
	p.until("a still larger one", "Math.abs("+width+" - 1080) < 1")
	p.press(kb.ArrowRight)
	p.until("that it has moved, and not the sample", "location.hash.includes('/sample/0') && "+
		"document.querySelector('.panes').classList.contains('zoomed')")
	p.press("0")
	p.until("all of it", width+" === 320")
	var at struct{ X, Y float64 }
	p.run(`(() => {
		const all = document.querySelector('.sheet img').getBoundingClientRect();
		return { X: all.x + 80, Y: all.y + 60 };
	})()`, &at)
	p.wheel(at.X, at.Y, -400)
	p.until("that a quarter of it is left and above of the pointer", fmt.Sprintf(`(() => {
		const all = document.querySelector('.sheet img').getBoundingClientRect();
		return all.width > 400 && Math.abs((%f - all.x) / all.width - 0.25) < 0.01 &&
			Math.abs((%f - all.y) / all.height - 0.25) < 0.01;
	})()`, at.X, at.Y))
}

// A video plays on from where it was moved to.
func TestVideo(t *testing.T) {
	t.Parallel()
	p := open(t, view(t, mixed(t)).sample(videoSample), screen{})
	p.until("the video", "document.querySelector('video')?.readyState >= 1")
	p.until("its length", fmt.Sprintf("Math.abs(document.querySelector('video').duration - %d) < 2", videoSeconds))
	p.run(fmt.Sprintf("document.querySelector('video').currentTime = %d", videoSeconds-5), nil)
	p.until("the other place", `(() => {
		const video = document.querySelector('video');
		if (video.seeking || video.readyState < 2) return false;
		const canvas = document.createElement('canvas').getContext('2d');
		canvas.drawImage(video, 0, 0, 4, 4);
		const [red, , blue] = canvas.getImageData(1, 1, 1, 1).data;
		return blue > red;
	})()`)
}

// Sound plays, arrays are numbers, and what is not known is shown byte by byte.
func TestMembers(t *testing.T) {
	t.Parallel()
	v := view(t, mixed(t))
	p := open(t, v.sample(soundSample), screen{})
	p.until("the sound", "document.querySelector('.player audio')?.duration === 20")
	p.run("document.querySelector('.player audio').currentTime = 15", nil)
	p.until("another place", "!document.querySelector('.player audio').seeking")

	p.run(fmt.Sprintf("location.hash = '#/sample/%d'", arraySample), nil)
	for _, text := range []string{"float32", "3 × 4", "5.5"} {
		p.shows(".array", text)
	}
	p.run(fmt.Sprintf("location.hash = '#/sample/%d'", bytesSample), nil)
	p.shows(".hex", "30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 00")
	p.run("document.querySelector('.hex-tools input').value = '0x493d0'", nil)
	p.run("document.querySelector('.hex-tools').requestSubmit()", nil)
	p.shows(".hex", "000493d0")

	p.run(fmt.Sprintf("location.hash = '#/sample/%d'", bombSample), nil)
	p.shows(".picture .fault", "too large to show: 100 000 × 100 000 pixels")
	p.run(fmt.Sprintf("location.hash = '#/sample/%d'", brokenSample), nil)
	p.shows(".picture .fault", "cannot be shown")
}

// Nothing that is in a sample runs: not markup in a key or a member, shown by the page or opened on its own.
func TestNothingRuns(t *testing.T) {
	t.Parallel()
	v := view(t, mixed(t))
	p := open(t, v.url, screen{})
	p.until("the cells", drawn)
	p.shows(".cell", "onerror=")
	p.run(fmt.Sprintf("location.hash = '#/sample/%d'", hostileKey), nil)
	p.shows(".sample-key", "<img src=x onerror=")
	p.run(fmt.Sprintf("location.hash = '#/sample/%d'", markupSample), nil)
	p.shows(".sample-stage", "it ran")
	p.click(".members li:nth-child(2) button")
	p.shows(".sample-stage", "<svg xmlns")
	if n := p.text("document.querySelectorAll('.sample-stage :is(img, script, iframe, h1)').length"); n != "0" {
		t.Errorf("%s elements were made of markup", n)
	}
	if title := p.text("document.title"); strings.Contains(title, "it ran") {
		t.Errorf("the title is %q", title)
	}
	for member := range 2 {
		alone := open(t, fmt.Sprintf("%sraw/%d/%d", v.url, markupSample, member), screen{})
		alone.until("the bytes as text", "!['text/html', 'image/svg+xml'].includes(document.contentType) && "+
			"document.body.innerText.includes('it ran') && document.title !== 'it ran'")
	}
}
