package ui

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON returns a value as one line of JSON. Characters that a terminal would obey or not show, such as C1 controls and
// those that change the direction of writing, are escaped: names in shards are not trusted, and encoding/json escapes
// only C0 controls.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	line := b.Bytes()
	if bytes.IndexFunc(line, hidden) < 0 {
		return line, nil
	}
	var escaped []byte
	for _, r := range string(line) { // all that is hidden is inside of strings
		switch {
		case !hidden(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped, nil
}

// hidden reports whether a character is neither a visible one, a blank nor the newline that ends a line.
func hidden(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }

// message is what Say writes as JSON.
type message struct {
	Level   string  `json:"level"`
	Message string  `json:"message"`
	Hex     *string `json:"message_hex,omitempty"` // the bytes of a message that is not UTF-8, which Message escapes
}

func newMessage(level, text string) message {
	exact := NewJSONText(text)
	if exact.Hex != nil {
		text = Printable(text)
	}
	return message{level, text, exact.Hex}
}

// JSONText is a string for JSON, which allows only UTF-8. Exactly one of the two fields is set.
type JSONText struct {
	Text *string // the text, if it is UTF-8
	Hex  *string // else its bytes in hexadecimal
}

// NewJSONText returns the JSONText for a string.
func NewJSONText(s string) JSONText {
	if utf8.ValidString(s) {
		return JSONText{Text: &s}
	}
	h := hex.EncodeToString([]byte(s))
	return JSONText{Hex: &h}
}
