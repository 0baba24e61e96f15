package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// ui is how shardfs talks: results to out, all else to err.
type ui struct {
	out, err  io.Writer
	quiet     bool
	verbose   bool
	json      bool
	logFormat string
	cacheDir  string
	private   bool // this process is in a mount namespace of its own

	mu sync.Mutex // guards err
}

// check refuses flags that contradict.
func (u *ui) check() error {
	if u.logFormat != "text" && u.logFormat != "json" {
		return usagef("--log-format: %q is neither text nor json", u.logFormat)
	}
	return nil
}

// fail tells why a command ends, and a way out where there is one. Errors that were joined get a line each.
func (u *ui) fail(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, err := range joined.Unwrap() {
			u.fail(err)
		}
		return
	}
	var said *silent
	if errors.As(err, &said) || errors.Is(err, unix.EPIPE) {
		return // told already, or nobody is left to tell
	}
	u.say("error", err.Error())
	if hint := hintOf(err); hint != "" {
		u.say("hint", hint)
	}
}

// silent is an error that whoever looks at the messages has been told.
type silent struct{ error }

func (e *silent) Unwrap() error { return e.error }

// warn tells of something that the user should look at.
func (u *ui) warn(format string, args ...any) { u.say("warning", fmt.Sprintf(format, args...)) }

// note tells what was done, unless nobody wants to know.
func (u *ui) note(format string, args ...any) {
	if !u.quiet {
		u.say("", fmt.Sprintf(format, args...))
	}
}

// detail tells what only the curious want to know.
func (u *ui) detail(format string, args ...any) {
	if u.verbose {
		u.say("", fmt.Sprintf(format, args...))
	}
}

// say writes one line, whatever the text holds.
func (u *ui) say(level, text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.logFormat == "json" {
		if level == "" {
			level = "info"
		}
		json.NewEncoder(u.err).Encode(struct {
			Level   string `json:"level"`
			Message string `json:"message"`
		}{level, text})
		return
	}
	if level != "" {
		level += ": "
	}
	fmt.Fprintf(u.err, "shardfs: %s%s\n", level, printable(text))
}

// progress returns what shows, on a terminal, how far a shard has been indexed, and what takes that away again.
func (u *ui) progress(name string) (show func(read, size int64), done func()) {
	if f, ok := u.err.(*os.File); u.quiet || !ok || !isTerminal(f) {
		return nil, func() {}
	}
	const patience, step = 500 * time.Millisecond, 100 * time.Millisecond
	next, shown := time.Now().Add(patience), false
	show = func(read, size int64) {
		if now := time.Now(); now.After(next) {
			fmt.Fprintf(u.err, "\r\x1b[Kshardfs: indexing %s: %d %%", printable(name), 100*read/max(size, 1))
			next, shown = now.Add(step), true
		}
	}
	return show, func() {
		if shown {
			fmt.Fprint(u.err, "\r\x1b[K")
		}
	}
}

// print prints a result as JSON.
func (u *ui) print(v any) error {
	e := json.NewEncoder(u.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printable returns text that is fit for a terminal: names come from strangers.
func printable(s string) string {
	s = strings.TrimRight(s, "\n")
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) && r != ' ' }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// count returns a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// size returns a number of bytes for reading.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	f, unit := float64(n), 0
	for f >= 1000 && unit < len(units)-1 {
		f, unit = f/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}
