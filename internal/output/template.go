package output

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/ui"
)

// template is a text with places for a number: %d for its digits, and %0Nd for at least N digits, padded with zeros.
type template struct {
	texts  []string // texts before, between and after the places
	widths []int    // widths of the places; 0 for %d
}

// numberPlace is a regular expression for a place of a template; its group is the width.
const numberPlace = `%(0[1-9][0-9]?)?d`

func parseTemplate(format string) template {
	place := regexp.MustCompile(numberPlace)
	t := template{texts: place.Split(format, -1)}
	for _, m := range place.FindAllStringSubmatch(format, -1) {
		width, _ := strconv.Atoi(m[1]) // 0 where there is none
		t.widths = append(t.widths, width)
	}
	return t
}

// with returns the text with a number in its places, and edit applied to the texts around them.
func (t template) with(number int, edit func(string) string) string {
	var b strings.Builder
	for i, text := range t.texts {
		b.WriteString(edit(text))
		if i < len(t.widths) {
			fmt.Fprintf(&b, "%0*d", t.widths[i], number)
		}
	}
	return b.String()
}

// ParseRekey returns a function that makes a new key from the old one and the sample's number in the output. For the
// empty format, which keeps the keys, it returns nil. A format can contain {key}, %d and %0Nd.
func ParseRekey(format string) (func(key string, number int) string, error) {
	const keyPlace = "{key}"
	t := parseTemplate(format)
	switch {
	case format == "":
		return nil, nil
	case len(t.widths) == 0 && !strings.Contains(format, keyPlace):
		return nil, ui.Usagef("--rekey %s: all samples would get one key: use %%d, %%09d or %s", format, keyPlace)
	case strings.HasPrefix(format, "/") || slices.Contains(strings.Split(format, "/"), ".."):
		return nil, ui.Usagef("--rekey %s: the tar would be unpacked outside of its directory", format)
	}
	return func(key string, number int) string {
		return t.with(number, func(text string) string { return strings.ReplaceAll(text, keyPlace, key) })
	}, nil
}
