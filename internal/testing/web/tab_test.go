package web

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/testing/web/chromium"
)

// screen is how a tab looks.
type screen struct {
	width, height int64 // 0 means 1280 by 800
	dark          bool
	motion        bool // what moves is welcome
}

// tab is a tab of the browser. What is wrong in it, such as an error of a script or a breach of a policy, fails its test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	names    map[network.RequestID]string
	requests []string // addresses that were asked for
	failed   []string // those that were cancelled or got no answer
}

// open opens a tab with a page.
func open(t *testing.T, url string, s screen) *tab {
	t.Helper()
	needBrowser(t)
	p := &tab{t: t, names: make(map[network.RequestID]string)}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	if s.width == 0 {
		s.width, s.height = 1280, 800
	}
	colours, motion := "light", "reduce"
	if s.dark {
		colours = "dark"
	}
	if s.motion {
		motion = "no-preference"
	}
	// The first call opens the tab, which would end with a context that it alone has.
	send(p, network.Enable, network.EnableParams{})
	ctx, cancel = context.WithTimeout(ctx, testtime.Limit(t, chromium.MaxStart))
	t.Cleanup(cancel)
	p.ctx = ctx
	send(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.width < 500})
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: colours}, {Name: "prefers-reduced-motion", Value: motion}}})
	p.do(chromedp.Navigate(url))
	return p
}

// listen is called with each event of the tab.
func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.t.Errorf("a script of the page: %v", e.ExceptionDetails)
	case *log.EventEntryAdded:
		if e.Entry.Source == "security" {
			p.t.Errorf("security: %s", e.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		p.names[e.RequestID] = e.Request.URL
		if referer, _ := e.Request.Headers["Referer"].(string); referer != "" {
			p.t.Errorf("%s is told the address, which has the token: %s", e.Request.URL, referer)
		}
		p.requests = append(p.requests, e.Request.URL)
	case *network.EventLoadingFailed:
		p.failed = append(p.failed, p.names[e.RequestID])
	}
}

// do runs actions.
func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// send sends a command of the protocol.
func send[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (R, error) {
		return cdp.Call(ctx, t, command, params)
	})
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

// run evaluates an expression, waits for it if it is a promise, and decodes its value into out unless that is nil.
func (p *tab) run(expression string, out any) {
	p.t.Helper()
	if err := p.evaluate(expression, out); err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
}

func (p *tab) evaluate(expression string, out any) error {
	if out == nil {
		expression = "(" + expression + ", null)"
	}
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(value, out)
}

// text returns the value of an expression as a string.
func (p *tab) text(expression string) (s string) {
	p.t.Helper()
	p.run("String("+expression+")", &s)
	return s
}

// until waits until an expression is true.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	testtime.Eventually(p.t, what, func() bool {
		var ok bool
		if err := p.evaluate("!!("+expression+")", &ok); err != nil {
			p.t.Fatalf("%s: %v", expression, err)
		}
		return ok
	})
}

// shows waits until an element shows a text.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q in %s", text, selector), fmt.Sprintf(
		"[...document.querySelectorAll(%s)].some((e) => e.innerText.replace(/[\\u202f\\u00a0]/g, ' ').includes(%s))",
		quote(selector), quote(text)))
}

// click clicks an element that is there and can be seen.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.until(selector, "document.querySelector("+quote(selector)+")?.checkVisibility()")
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// press presses keys one after the other: their names in kb, or letters.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, r := range strings.Join(keys, "") {
		events := kb.Encode(r)
		if len(events) == 3 {
			events[0].Type = kb.KeyRawDown // of whose letter the page may make nothing, as it may of a keyboard's
		}
		for _, e := range events {
			send(p, input.DispatchKeyEvent, *e)
		}
	}
}

// wheel turns the wheel of the mouse over a point.
func (p *tab) wheel(x, y, by float64) {
	p.t.Helper()
	send(p, input.DispatchMouseEvent, input.DispatchMouseEventParams{
		Type: input.DispatchMouseEventTypeMouseWheel, X: x, Y: y, DeltaX: 0.001, DeltaY: by}) // the protocol has no 0
}

// filter types a filter.
func (p *tab) filter(text string) {
	p.t.Helper()
	p.until("the field for filters", "document.querySelector('#query')")
	p.run("(document.querySelector('#query').focus(), document.querySelector('#query').select())", nil)
	send(p, input.InsertText, input.InsertTextParams{Text: text})
	p.press(kb.Enter)
}

// asked returns how many requests were for addresses that contain a text.
func (p *tab) asked(part string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, url := range p.requests {
		if strings.Contains(url, part) {
			n++
		}
	}
	return n
}

// quote returns a string of JavaScript.
func quote(s string) string {
	b, _ := json.Marshal(s) // of a string
	return string(b)
}
