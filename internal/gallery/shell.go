package gallery

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// bare is a word that shells leave as it is.
var bare = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$`)

// commandLine returns a command line that a user can paste into a shell. Words with control characters, or that are not
// UTF-8, are written in the form $'...' of bash, zsh and others, so that pasting them does nothing else.
func commandLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	return strings.Join(quoted, " ")
}

// quote returns one word.
func quote(word string) string {
	if bare.MatchString(word) {
		return word
	}
	control := strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == 0x7f })
	if utf8.ValidString(word) && !control && !strings.ContainsFunc(word, isHidden) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(word) {
		if c == '\'' || c == '\\' {
			b.WriteByte('\\')
		}
		if c < ' ' || c >= 0x7f {
			fmt.Fprintf(&b, `\x%02x`, c)
			continue
		}
		b.WriteByte(c)
	}
	b.WriteByte('\'')
	return b.String()
}

// isHidden reports whether a character is not shown, or changes how others are: a command must be what it looks like.
func isHidden(r rune) bool {
	return r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r == 0xfeff
}
