package ui

import (
	"encoding/json"
	"testing"
)

// JSON shows nothing that a terminal would obey, and loses nothing.
func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		"a <b> é":                `"a <b> é"`,
		"\x1b[31m":               `"\u001b[31m"`,
		"\u009b31m":              `"\u009b31m"`,
		"\x7f":                   `"\u007f"`,
		"exe.\u202egpj\u2066":    `"exe.\u202egpj\u2066"`,
		"1\u202fPM \u00a0\u200b": `"1\u202fPM \u00a0\u200b"`,
		"\U000e0041":             `"\udb40\udc41"`,
	} {
		got, err := JSON(text)
		if err != nil || string(got) != want+"\n" {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
	}
}
