// Package chromium starts Chromium for tests and measures of the page.
package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
)

// MaxStart is how long the browser may take to start.
const MaxStart = 5 * time.Minute

// Start starts Chromium without a window and with a profile below dir. It returns the context of a tab, and a function
// that ends the browser. It returns exec.ErrNotFound where there is none.
func Start(dir string) (context.Context, func(), error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, nil, fmt.Errorf("chromium: %w", exec.ErrNotFound)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Flag("lang", "en"), chromedp.WSURLReadTimeout(MaxStart))
	if FontMissing() == nil {
		conf := filepath.Join(dir, "fonts.conf")
		if err := os.WriteFile(conf, fmt.Appendf(nil, fontsConf, filepath.Dir(font), dir), 0o644); err != nil {
			return nil, nil, err
		}
		options = append(options, chromedp.Env("FONTCONFIG_FILE="+conf))
	}
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	stop := func() {
		end()
		endAllocator()
	}
	if err := chromedp.Do(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("chromium does not start: %w", err)
	}
	return ctx, stop, nil
}

// font is in Debian's fonts-dejavu-core.
const font = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"

// fontsConf has the browser see no other fonts, with the directory of these and one for what is known of them.
const fontsConf = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
	<dir>%s</dir>
	<cachedir>%s/fonts</cachedir>
	<selectfont>
		<rejectfont><glob>*</glob></rejectfont>
		<acceptfont><glob>*/DejaVuSans.ttf</glob><glob>*/DejaVuSans-Bold.ttf</glob></acceptfont>
		<acceptfont><glob>*/DejaVuSansMono.ttf</glob><glob>*/DejaVuSansMono-Bold.ttf</glob></acceptfont>
	</selectfont>
</fontconfig>
`

// FontMissing returns an error on a machine without the font that pages are shown in, so that they look alike on all
// others.
func FontMissing() error {
	_, err := os.Stat(font)
	return err
}

// Drawn is an expression of JavaScript: whether the grid of the page is drawn as far as it is in view.
const Drawn = `document.querySelector('.cell') && !document.querySelector('.cell.waiting') &&
	[...document.querySelectorAll('.cell .shot')].every((shot) => shot.firstElementChild)`
