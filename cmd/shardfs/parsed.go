package main

import (
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/ui"
)

// parsed is the value of a flag that a function reads.
type parsed[T any] struct {
	to    *T
	parse func(text string) (T, error)
	text  string
}

// newParsed returns a flag for to, which gets a default now; "" means none.
func newParsed[T any](to *T, parse func(string) (T, error), text string) pflag.Value {
	v := &parsed[T]{to: to, parse: parse}
	if text != "" {
		v.Set(text) // a default is valid
	}
	return v
}

// String implements pflag.Value.
func (v *parsed[T]) String() string { return v.text }

// Set implements pflag.Value.
func (v *parsed[T]) Set(text string) (err error) {
	v.text = text
	*v.to, err = v.parse(text)
	return err
}

// Type implements pflag.Value.
func (*parsed[T]) Type() string { return "string" }

// parsedList is the same of a flag that may be repeated.
type parsedList[T any] struct {
	to    *[]T
	parse func(text string) (T, error)
}

// String implements pflag.Value.
func (*parsedList[T]) String() string { return "" }

// Set implements pflag.Value.
func (v *parsedList[T]) Set(text string) error {
	one, err := v.parse(text)
	*v.to = append(*v.to, one)
	return err
}

// Type implements pflag.Value.
func (*parsedList[T]) Type() string { return "stringArray" }

// checked returns a function that parses a text as itself, if a check finds nothing wrong.
func checked(check func(text string) error) func(string) (string, error) {
	return func(text string) (string, error) { return text, check(text) }
}

// parseFlag parses the text of a flag.
func parseFlag[T any](to *T, flag, text string, parse func(string) (T, error)) (err error) {
	if *to, err = parse(text); err != nil {
		return ui.Usagef("--%s %s: %w", flag, text, err)
	}
	return nil
}
