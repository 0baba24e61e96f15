package web

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// million is how many samples the large shard has.
const million = 1_000_000

// writeMillion writes a shard of a million samples, each a small picture.
func writeMillion(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "million.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	var pictures [16][]byte
	for i := range pictures {
		pictures[i] = asPNG(picture(i, 4, 3))
	}
	var block bytes.Buffer
	for n := range million {
		content := pictures[n%len(pictures)]
		block.Reset()
		tw := tar.NewWriter(&block)
		h := &tar.Header{Name: fmt.Sprintf("part%02d/s%07d.png", n/50_000, n), Mode: 0o644, Size: int64(len(content)),
			Format: tar.FormatUSTAR}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		tw.Write(content)
		tw.Flush()
		w.Write(block.Bytes())
	}
	w.Write(make([]byte, 1024))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A million samples scroll at once, to any place, and few elements are made for them. What was scrolled past is not
// fetched.
func TestMillion(t *testing.T) {
	t.Parallel()
	long(t)
	needBrowser(t)
	shard := writeMillion(t)
	shardfs(t, "index", "--sidecar", shard)
	v := view(t, shard)
	start := time.Now()
	p := open(t, v.url, screen{})
	p.until("the first screen", drawn)
	p.shows("#found", "1 000 000 samples")
	took := time.Since(start)
	t.Logf("first screen of %s pictures after %v; the server has %d MiB",
		p.text("document.querySelectorAll('.cell canvas').length"), took.Round(time.Millisecond), memory(t, v))

	const scroller = "document.querySelector('#grid')"
	// The first sample of the rows in view.
	const text = "(document.elementFromPoint(100, 300)?.closest('.cell')?.innerText ?? '')"
	const row = "Number(document.elementFromPoint(100, 300)?.closest('.row')?.ariaRowIndex ?? NaN)"
	p.run(scroller+".scrollTop = ("+scroller+".scrollHeight - "+scroller+".clientHeight) / 2", nil)
	p.until("the middle", drawn+" && /s0499|s0500/.test("+text+")")
	before := p.text(scroller + ".scrollTop")
	middle := p.text(row)
	for range 8 {
		p.wheel(600, 400, 120)
	}
	p.until("a few rows further", "Math.abs("+row+" - "+middle+" - 4) <= 1")
	for range 8 {
		p.wheel(600, 400, -120)
	}
	p.until("the same place again", "Math.abs("+scroller+".scrollTop - "+before+") < 2 && "+row+" === "+middle)

	p.run("document.querySelector('#goto').focus()", nil)
	p.press(strings.Split("500001", "")...)
	p.press(kb.Enter)
	p.until("sample 500 000", "document.activeElement.getAttribute('aria-label').startsWith('part10/s0500000;')")
	p.run(scroller+".scrollTop = "+scroller+".scrollHeight", nil)
	p.until("the last sample",
		drawn+" && [...document.querySelectorAll('.cell')].at(-1).innerText.includes('s0999999')")

	asked := p.asked("/thumb/")
	// Each place of the bar is where another part of the samples is.
	p.run(`(async () => {
		for (let i = 0; i < 100; i++) {
			`+scroller+`.scrollTop = (i / 100) * `+scroller+`.scrollHeight;
			await new Promise(requestAnimationFrame);
		}
		`+scroller+`.scrollTop = 0;
	})()`, nil)
	p.until("the first samples again", drawn+" && "+text+".includes('s0000')")
	if n := p.asked("/thumb/") - asked; n > 1000 {
		t.Errorf("%d pictures were fetched while 100 screens were scrolled past", n)
	}
	if n := p.text("document.querySelectorAll('*').length"); len(n) > 4 || len(n) == 4 && n > "2000" {
		t.Errorf("the page has %s elements", n)
	}
	t.Logf("the server has %d MiB at the end", memory(t, v))
}

// memory returns the most memory that a viewer has had, in MiB.
func memory(t *testing.T, v *viewer) (mib int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(rest, &mib)
		}
	}
	return mib / 1024
}
