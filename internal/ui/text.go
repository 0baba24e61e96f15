package ui

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable escapes control characters and invalid UTF-8 as in Go, because names in shards are not trusted and a
// terminal would execute control sequences. Newlines at the end are dropped.
func Printable(s string) string {
	s = strings.TrimRight(s, "\n")
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) && r != ' ' }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// Count returns a number with the name of the things it counts: "1 sample", "2 samples".
func Count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// Size returns a number of bytes in units of powers of 1000, with one decimal: "999 bytes", "1.2 MB".
func Size(n int64) string {
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
