package store

import (
	"slices"
	"strings"
)

// RedactText returns a text, such as the error of another library, in which each URL is as [Redact] leaves it. A URL ends at
// a space or a quote.
func RedactText(text string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		start, end := i, len(text)
		for start > 0 && isSchemeByte(text[start-1]) {
			start--
		}
		if n := strings.IndexAny(text[i:], " \t\r\n\"'`<>"); n >= 0 {
			end = i + n
		}
		end = start + len(strings.TrimRight(text[start:end], ".,:;)?"))
		if start == i || end < i+len("://") || start > 0 && text[start-1] == '/' { // no URL, or a path
			end = i + len("://")
			b.WriteString(text[:end])
		} else {
			b.WriteString(text[:start])
			b.WriteString(Redact(text[start:end]))
		}
		text = text[end:]
	}
}

func isSchemeByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '-'
}

// Misspelled returns the URL that a path was probably meant to be, https:/HOST/a.tar or s3//BUCKET/a.tar, and whether it
// was.
func Misspelled(path string) (url string, ok bool) {
	end := strings.IndexAny(path, ":/")
	if end < 0 {
		return "", false
	}
	scheme, rest := path[:end], path[end:]
	switch {
	case !slices.Contains(strings.Fields("http https az"+literal), strings.ToLower(scheme)) || scheme == FileScheme:
		return "", false
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, ":"):
		return strings.ToLower(scheme) + "://" + strings.TrimLeft(rest, ":/"), true
	}
	return "", false
}
