package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/ui"
)

// numbered is a text with places for a number: %d for its digits, and %0Nd for N digits with zeros in front.
type numbered struct {
	texts  []string // before, between and behind the places
	widths []int    // of the places
}

func newNumbered(format string) numbered {
	place := regexp.MustCompile(`%(0[1-9][0-9]?)?d`)
	n := numbered{texts: place.Split(format, -1)}
	for _, m := range place.FindAllStringSubmatch(format, -1) {
		width, _ := strconv.Atoi(m[1]) // 0 where there is none
		n.widths = append(n.widths, width)
	}
	return n
}

// with returns the text with a number, and what edit makes of the rest.
func (n numbered) with(number int, edit func(string) string) string {
	var b strings.Builder
	for i, text := range n.texts {
		b.WriteString(edit(text))
		if i < len(n.widths) {
			fmt.Fprintf(&b, "%0*d", n.widths[i], number)
		}
	}
	return b.String()
}

// parseRekey returns what makes new keys of old ones and the sample's number in the output; nil for keys as they are.
func parseRekey(format string) (func(key string, number int) string, error) {
	const keyPlace = "{key}"
	n := newNumbered(format)
	switch {
	case format == "":
		return nil, nil
	case len(n.widths) == 0 && !strings.Contains(format, keyPlace):
		return nil, ui.Usagef("--rekey %s: all samples would get one key: use %%d, %%09d or %s", format, keyPlace)
	}
	return func(key string, number int) string {
		return n.with(number, func(text string) string { return strings.ReplaceAll(text, keyPlace, key) })
	}, nil
}
