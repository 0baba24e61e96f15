package ui

import (
	"errors"
	"fmt"
)

// UsageError is a mistake in the command line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError with a formatted message.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// hintError is an error with a hint how to avoid it.
type hintError struct {
	Err  error
	Hint string // what the user can do, as one clause
}

func (e *hintError) Error() string { return e.Err.Error() }
func (e *hintError) Unwrap() error { return e.Err }

// WithHint adds a hint to an error.
func WithHint(err error, hint string) error { return &hintError{err, hint} }

// HintOf returns the hint of an error, or "".
func HintOf(err error) string {
	if h := (*hintError)(nil); errors.As(err, &h) {
		return h.Hint
	}
	return ""
}

// ReportedError is an error that was already printed. It still determines the exit status, but Fail does not print it.
type ReportedError struct{ Err error }

func (e *ReportedError) Error() string { return e.Err.Error() }
func (e *ReportedError) Unwrap() error { return e.Err }

// Reported marks an error as already reported to the user.
func Reported(err error) error { return &ReportedError{err} }
