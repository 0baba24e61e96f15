// Package chromium starts Chromium for tests and measures of the page.
package chromium

import (
	"context"
	"fmt"
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

// Drawn is an expression of JavaScript: whether the grid of the page is drawn as far as it is in view.
const Drawn = `document.querySelector('.cell') && !document.querySelector('.cell.waiting') &&
	[...document.querySelectorAll('.cell .shot')].every((shot) => shot.firstElementChild)`
