package ui

import (
	"bytes"
	"io"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/sys/unix"
)

// redraw is how often the line of progress is drawn.
const redraw = 150 * time.Millisecond

// draw shows the progress as a line that is redrawn at the bottom of the screen. A line in which something else stands
// is never touched: whoever writes to the terminal clears the line first, and it is drawn again when the cursor is at the
// beginning of a line.
func (p *Progress) draw() {
	select {
	case <-time.After(p.ui.pace(untilShown)):
	case <-p.stop:
		return
	}
	bars := mpb.New(mpb.WithConsoleWriter(&screen{of: p}), mpb.WithAutoRefresh(), mpb.WithRefreshRate(redraw))
	style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding("-").Rbound("]")
	const program = "shardfs: "
	text := decor.Any(func(decor.Statistics) string { return program + p.within(p.ui.width()-1-len(program)) })
	bar := bars.New(0, style, mpb.BarWidth(30), mpb.PrependDecorators(text), mpb.BarFillerMiddleware(p.part))
	<-p.stop
	bar.Abort(true)
	bars.Wait()
}

// part makes a bar show the part of the work that is done; without a total there is no bar.
func (p *Progress) part(bar mpb.BarFiller) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		const total = 1000
		e := p.estimate()
		if e.done < 0 || s.AvailableWidth < 10 {
			return nil
		}
		s.Total, s.Current = total, int64(e.done*total)
		return bar.Fill(w, s)
	})
}

// screen is a terminal on which a line of progress is drawn. It implements [mpb.ConsoleWriter].
type screen struct {
	bytes.Buffer // the next line
	of           *Progress
}

// IsTerminal implements [mpb.ConsoleWriter]; the line is drawn whatever Err is.
func (s *screen) IsTerminal() bool { return true }

// GetTermSize implements [mpb.ConsoleWriter]. The last column stays empty: some terminals begin a new line after it.
func (s *screen) GetTermSize() (width, height int, err error) {
	return max(s.of.ui.width()-1, 1), 1, nil
}

// Flush implements [mpb.ConsoleWriter]: it draws the line, unless another program has the terminal, another piece of
// work began after this one, or the cursor is inside a line.
func (s *screen) Flush(int) error {
	line := strings.TrimRight(s.String(), " \n")
	s.Reset()
	u := s.of.ui
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.within || line == u.line || u.works[len(u.works)-1] != s.of || !u.hasTerminal() {
		return nil
	}
	before := ""
	if u.line != "" {
		before = erase
	}
	u.line = line
	_, err := io.WriteString(u.Err, before+line)
	return err
}

// width returns the number of columns of the terminal.
func (u *UI) width() int {
	if f, ok := u.Err.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return 80
}

// hasTerminal reports whether Err is no terminal, or one that this process may write to: the shell gives it to another
// process group if this one was started with & or stopped.
func (u *UI) hasTerminal() bool {
	f, ok := u.Err.(*os.File)
	if !ok {
		return true
	}
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// clear erases the line of progress. If the terminal has become narrower since, one that wraps long lines keeps the
// beginning: to go up and erase that would, on one that cuts them off, erase what others have written. The caller holds
// u.mu.
func (u *UI) clear() {
	if u.line != "" {
		u.line = ""
		io.WriteString(u.Err, erase)
	}
}

// erase erases the line that the cursor is in.
const erase = "\r\x1b[J"

// Through returns a writer to w, which is the terminal where progress is drawn if file is one. It clears the line of
// progress before it writes.
func (u *UI) Through(w io.Writer, file *os.File) io.Writer {
	if !u.draws() || !IsTerminal(file) {
		return w
	}
	return through{u, w}
}

type through struct {
	ui *UI
	w  io.Writer
}

// Write implements [io.Writer].
func (t through) Write(p []byte) (int, error) {
	t.ui.mu.Lock()
	defer t.ui.mu.Unlock()
	return t.ui.write(t.w, p)
}

// write writes to w, which may be the terminal. The caller holds u.mu.
func (u *UI) write(w io.Writer, p []byte) (int, error) {
	u.clear()
	n, err := w.Write(p)
	if n > 0 {
		u.within = p[n-1] != '\n'
	}
	return n, err
}
