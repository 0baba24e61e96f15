package web

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/testing/web/chromium"
)

var update = flag.Bool("update", false, "write the kept screens again")

// Screens look as those that are kept, light and dark, wide and narrow.
func TestLook(t *testing.T) {
	t.Parallel()
	if err := chromium.FontMissing(); err != nil {
		skip.Needed(t, "fonts-dejavu-core: %v", err)
	}
	v := view(t, mixed(t))
	for _, s := range []struct {
		name   string
		screen screen
	}{
		{"light", screen{width: 1280, height: 800}},
		{"dark", screen{width: 1280, height: 800, dark: true}},
		{"narrow", screen{width: 360, height: 740}},
	} {
		p := open(t, v.url, s.screen)
		p.until("the cells", drawn+" && document.querySelector('#found').innerText && "+
			"document.querySelector('.cell video')?.readyState >= 2")
		p.looksLike("grid-" + s.name)
		p.run(fmt.Sprintf("location.hash = '#/sample/%d'", plainSample), nil)
		p.until("the picture", "document.querySelector('.sheet img') && document.querySelector('.glimpse')")
		p.looksLike("sample-" + s.name)
	}
}

// A kept screen has a digit from 0 to f for the lightness of each block of pixels, so that it is a text that can be read
// and compared, and does not tell one font from another.
const (
	block    = 20 // pixels
	most     = 16 // digits
	tolerant = 3  // digits by which a block may differ
	share    = 25 // one of so many blocks may differ by more
)

// looksLike waits until a tab shows what a kept screen does: frames of a video come late.
func (p *tab) looksLike(name string) {
	p.t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(p.blocks()), 0o644); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	was, is := string(kept), ""
	defer func() {
		if p.t.Failed() {
			p.t.Logf("%s is now:\n%s", name, is)
		}
	}()
	testtime.Eventually(p.t, "the kept screen "+name, func() bool {
		is = p.blocks()
		return alike(is, was)
	})
}

// alike reports whether few blocks of two screens of the same size differ.
func alike(is, was string) bool {
	if len(is) != len(was) {
		return false
	}
	other := 0
	for i := range len(is) {
		a, b := strings.IndexByte(hex, is[i]), strings.IndexByte(hex, was[i])
		if d := a - b; d > tolerant || d < -tolerant {
			other++
		}
	}
	return other*share <= len(is)
}

// blocks returns the lightness of the blocks of what a tab shows.
func (p *tab) blocks() string {
	p.t.Helper()
	b, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	return digits(picture)
}

const hex = "0123456789abcdef"

// digits returns the lightness of the blocks of a picture, a line for each row of them.
func digits(m image.Image) string {
	var b strings.Builder
	for y := 0; y+block <= m.Bounds().Dy(); y += block {
		for x := 0; x+block <= m.Bounds().Dx(); x += block {
			sum := 0
			for dy := range block {
				for dx := range block {
					sum += int(color.GrayModel.Convert(m.At(x+dx, y+dy)).(color.Gray).Y)
				}
			}
			b.WriteByte(hex[sum*most/(256*block*block)])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
