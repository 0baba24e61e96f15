// Package ui writes results and messages to the user: results to one stream, messages to another.
//
// There is a method for each of the four levels of messages: Fail for errors, Warn for what the user should look at,
// Note for what was done, and Detail for why. Print prints a result. The package also has three kinds of error that
// affect messages: a mistake in the command line ([UsageError]), an error with a hint ([WithHint]), and an error that
// was already reported ([ReportedError]). It knows no flags and no exit statuses; the program sets the streams.
package ui

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/store"
)

// UI writes results to Out and messages to Err. Its fields are set before its first use; its methods may then be called
// from several goroutines.
type UI struct {
	Out io.Writer // results
	Err io.Writer // messages

	Quiet     bool               // leave out notes and progress
	Verbose   bool               // write details
	JSON      bool               // print results as JSON, one object a line
	LogFormat string             // "json" writes messages as JSON, one object a line; all else writes text
	Hint      func(error) string // returns the hint for an error, or ""; nil means HintOf
	Progress  string             // how progress is shown; "" means ProgressAuto
	Dumb      bool               // the terminal can redraw no line, or nobody looks at it

	hurry time.Duration // in tests, how many times as fast progress is shown; 0 means 1

	mu       sync.Mutex      // guards Err and the fields below
	once     map[string]bool // texts of WarnOnce
	failed   string          // the last error
	works    []*Progress     // pieces of work that are not done; the last one is drawn
	line     string          // the line of progress that is drawn; "" if there is none
	within   bool            // the cursor is inside a line
	commands *commands       // copies standard error of other programs; nil if nothing is
}

// Fail writes the error that ends a command, and its hint if there is one. Each of several joined errors gets a line.
// Errors that were already reported are left out, and so is EPIPE: the reader of the results has gone.
func (u *UI) Fail(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, err := range joined.Unwrap() {
			u.Fail(err)
		}
		return
	}
	var reported *ReportedError
	if errors.As(err, &reported) || errors.Is(err, unix.EPIPE) {
		return
	}
	u.Say("error", err.Error())
	hintOf := u.Hint
	if hintOf == nil {
		hintOf = HintOf
	}
	if hint := hintOf(err); hint != "" {
		u.Say("hint", hint)
	}
}

// Warn writes a warning.
func (u *UI) Warn(format string, args ...any) { u.Say("warning", fmt.Sprintf(format, args...)) }

// WarnOnce writes a warning, unless it has written the same one before.
func (u *UI) WarnOnce(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	u.mu.Lock()
	said := u.once[text]
	if u.once == nil {
		u.once = make(map[string]bool)
	}
	u.once[text] = true
	u.mu.Unlock()
	if !said {
		u.Say("warning", text)
	}
}

// Note writes what was done, unless Quiet.
func (u *UI) Note(format string, args ...any) {
	if !u.Quiet {
		u.Say("", fmt.Sprintf(format, args...))
	}
}

// Detail writes what is done and why, if Verbose.
func (u *UI) Detail(format string, args ...any) {
	if u.Verbose {
		u.Say("", fmt.Sprintf(format, args...))
	}
}

// Say writes a message of one line. Level is its prefix: "error", "hint", "warning", or "" for information. URLs in it lose
// their credentials and queries, whoever has made the text.
func (u *UI) Say(level, text string) {
	text = store.RedactText(text)
	if level == "error" {
		u.mu.Lock()
		u.failed = Printable(text)
		u.mu.Unlock()
	}
	if u.LogFormat == "json" {
		if level == "" {
			level = "info"
		}
		u.Log(newMessage(level, text))
		return
	}
	if level != "" {
		level += ": "
	}
	u.say(fmt.Appendf(nil, "shardfs: %s%s\n", level, Printable(text)))
}

// LastError returns the last error that was written, Printable and without its prefix; "" if there was none.
func (u *UI) LastError() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failed
}

// Log writes a message for programs as one line of JSON, also if Quiet.
func (u *UI) Log(v any) {
	line, err := JSON(v)
	if err == nil {
		u.say(line)
	}
}

// say writes a line to Err.
func (u *UI) say(line []byte) {
	u.mu.Lock()
	c := u.commands
	u.mu.Unlock()
	if c != nil {
		c.drain() // what a command says comes before what is said about it
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.within {
		u.within = false
		io.WriteString(u.Err, "\n")
	}
	u.clear()
	u.Err.Write(line)
}

// Print writes a result as one line of JSON.
func (u *UI) Print(v any) error {
	line, err := JSON(v)
	if err != nil {
		return err
	}
	_, err = u.Out.Write(line)
	return err
}

// Raw returns a text for Out: with its own bytes for a program, and Printable for a person at a terminal.
func (u *UI) Raw(s string) string {
	out := u.Out
	if t, ok := out.(through); ok {
		out = t.w
	}
	if f, ok := out.(*os.File); ok && IsTerminal(f) {
		return Printable(s)
	}
	return s
}
