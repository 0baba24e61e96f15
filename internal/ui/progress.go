package ui

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// The values of UI.Progress.
const (
	ProgressAuto   = "auto"   // a line that is redrawn on a terminal, a message a minute elsewhere; "" is the same
	ProgressAlways = "always" // a line that is redrawn, wherever Err goes
	ProgressNever  = "never"
	ProgressJSON   = "json" // an object a second
)

// Times of Progress. Work that takes less than the first is not shown at all.
const (
	untilShown  = time.Second
	untilObject = time.Second // between two objects
	untilLogged = time.Minute // between two messages
)

// Work is how far something has come. Numbers that are not known are 0.
type Work struct {
	Samples int64 // done, of Total
	Total   int64
	About   bool  // Total is an estimate
	Bytes   int64 // done, of Size
	Size    int64
	Failed  int64 // of Samples
}

// Progress shows how far something that takes long has come, until Done. Its methods may be called from several
// goroutines; those of a nil Progress do nothing.
type Progress struct {
	ui    *UI
	what  string
	begun time.Time
	first atomic.Pointer[Work] // when it began: what an earlier process had done
	now   atomic.Pointer[Work]
	stop  chan struct{} // closed by Done
	ended chan struct{} // closed when nothing is shown any more
}

// StartProgress begins to show something that takes long; what is its verb, or verb and shard. It returns nil if no
// progress is shown.
func (u *UI) StartProgress(what string) *Progress {
	show := u.shownBy()
	if show == nil {
		return nil
	}
	p := &Progress{ui: u, what: what, begun: time.Now(), stop: make(chan struct{}), ended: make(chan struct{})}
	p.first.Store(new(Work))
	p.now.Store(new(Work))
	u.mu.Lock()
	u.works = append(u.works, p)
	u.mu.Unlock()
	go func() {
		defer close(p.ended)
		show(p)
	}()
	return p
}

// shownBy returns the function that shows progress until it is done, or nil for none.
func (u *UI) shownBy() func(*Progress) {
	asJSON := u.LogFormat == "json"
	every := func(interval time.Duration, say func(*Progress)) func(*Progress) {
		return func(p *Progress) { p.tick(interval, say) }
	}
	switch {
	case u.Progress == ProgressNever, u.Progress != ProgressAlways && u.Progress != ProgressJSON && u.Quiet:
		return nil
	case u.Progress == ProgressJSON, u.Progress == ProgressAlways && asJSON:
		return every(u.pace(untilObject), (*Progress).object)
	case u.draws():
		return (*Progress).draw
	case asJSON:
		return every(u.pace(untilLogged), (*Progress).object)
	}
	return every(u.pace(untilLogged), func(p *Progress) { u.Say("", p.String()) })
}

// draws reports whether a line is redrawn to show progress.
func (u *UI) draws() bool {
	if u.Progress == ProgressAlways {
		return u.LogFormat != "json"
	}
	f, ok := u.Err.(*os.File)
	auto := u.Progress == "" || u.Progress == ProgressAuto
	return auto && !u.Quiet && !u.Dumb && u.LogFormat != "json" && ok && IsTerminal(f)
}

// pace returns a time, which tests shorten.
func (u *UI) pace(d time.Duration) time.Duration {
	if u.hurry > 0 {
		return d / u.hurry
	}
	return d
}

// tick calls say at intervals until the work is done.
func (p *Progress) tick(interval time.Duration, say func(*Progress)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			say(p)
		case <-p.stop:
			return
		}
	}
}

// Set sets how far the work has come.
func (p *Progress) Set(w Work) {
	if p != nil {
		p.now.Store(&w)
	}
}

// Write counts bytes: a Progress may be the end of a copy, of one at a time.
func (p *Progress) Write(b []byte) (int, error) {
	if p != nil {
		w := *p.now.Load()
		w.Bytes += int64(len(b))
		p.now.Store(&w)
	}
	return len(b), nil
}

// From sets how far it had come before it began, as in a run that was continued: the rate is that of the rest.
func (p *Progress) From(w Work) {
	if p != nil {
		p.first.Store(&w)
		p.now.Store(&w)
	}
}

// Done ends the work, and returns when nothing of its progress is on the screen.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	close(p.stop)
	<-p.ended
	u := p.ui
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clear()
	u.works = slices.DeleteFunc(u.works, func(other *Progress) bool { return other == p })
}

// estimate is what follows from how far the work has come.
type estimate struct {
	Work
	seconds float64
	rate    float64 // samples a second; bytes a second if no samples are counted
	left    float64 // seconds, or -1
	done    float64 // the part that is done, or -1
}

func (p *Progress) estimate() estimate {
	first, now := p.first.Load(), p.now.Load()
	e := estimate{Work: *now, seconds: time.Since(p.begun).Seconds(), left: -1, done: -1}
	begun, count, total := first.Samples, now.Samples, now.Total
	if total == 0 {
		begun, count, total = first.Bytes, now.Bytes, now.Size
	}
	if total > 0 {
		e.done = min(float64(count)/float64(total), 1)
	}
	if advance := float64(count - begun); advance > 0 && total > 0 {
		e.left = e.seconds * max(float64(total-count), 0) / advance
	}
	if now.Samples > 0 || now.Total > 0 {
		e.rate = float64(now.Samples-first.Samples) / e.seconds
	} else {
		e.rate = float64(now.Bytes-first.Bytes) / e.seconds
	}
	return e
}

// String returns the progress as one line: what, done of total, failures, bytes, rate, and the time that is left.
func (p *Progress) String() string { return Printable(p.what) + ": " + p.estimate().String() }

// leastShown is how many characters of the name of a shard are shown on the narrowest terminal.
const leastShown = 12

// within returns the progress as one line of at most so many columns, in which a shard has the end of its name only if
// there is no room for all of it: the numbers are what changes.
func (p *Progress) within(columns int) string {
	numbers := p.estimate().String()
	verb, shard, _ := strings.Cut(Printable(p.what), " ")
	if name := []rune(shard); len(name) > 0 {
		room := max(columns-utf8.RuneCountInString(verb+" : "+numbers), leastShown)
		if len(name) > room {
			name = append([]rune("…"), name[len(name)-room+1:]...)
		}
		verb += " " + string(name)
	}
	return verb + ": " + numbers
}

// String returns the numbers.
func (e estimate) String() string {
	text := ""
	counted := e.Samples > 0 || e.Total > 0
	switch {
	case e.Total > 0:
		about := ""
		if e.About {
			about = "about "
		}
		text += fmt.Sprintf("%d of %s%s, ", e.Samples, about, Count(int(e.Total), "sample"))
	case counted:
		text += Count(int(e.Samples), "sample") + ", "
	}
	if e.Failed > 0 {
		text += fmt.Sprintf("%d failed, ", e.Failed)
	}
	text += Size(e.Bytes)
	if e.Size > 0 {
		text += " of " + Size(e.Size)
	}
	if counted {
		text += fmt.Sprintf(", %.1f a second", e.rate)
	} else {
		text += fmt.Sprintf(", %s a second", Size(int64(e.rate)))
	}
	if e.left >= 0 {
		text += fmt.Sprintf(", %v left", time.Duration(e.left+0.5)*time.Second)
	}
	return text
}

// object writes the progress as one line of JSON.
func (p *Progress) object() {
	e := p.estimate()
	line := struct {
		Level   string   `json:"level"`
		What    string   `json:"what"`
		Samples int64    `json:"samples"`
		Total   int64    `json:"total,omitempty"` // absent, like size, done and seconds_left, if not known
		About   bool     `json:"estimated,omitempty"`
		Bytes   int64    `json:"bytes"`
		Size    int64    `json:"size,omitempty"`
		Done    *float64 `json:"done,omitempty"` // the part that is done, up to 1
		Left    *float64 `json:"seconds_left,omitempty"`
		Failed  int64    `json:"failed"`
		Rate    float64  `json:"rate"` // samples a second; bytes a second if no samples are counted
		Seconds float64  `json:"seconds"`
	}{
		Level: "progress", What: Printable(p.what), Samples: e.Samples, Total: e.Total, About: e.About, Bytes: e.Bytes,
		Size: e.Size, Failed: e.Failed, Rate: e.rate, Seconds: e.seconds,
	}
	if e.done >= 0 {
		line.Done = &e.done
	}
	if e.left >= 0 {
		line.Left = &e.left
	}
	p.ui.mu.Lock()
	defer p.ui.mu.Unlock()
	json.NewEncoder(p.ui.Err).Encode(line)
}
