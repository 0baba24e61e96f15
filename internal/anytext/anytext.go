// Package anytext keeps texts of any bytes, such as paths, in JSON, which has only UTF-8.
package anytext

import (
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"
)

// Text is a string of any bytes. In JSON it is a string if it is UTF-8, else an object with its bytes in hexadecimal:
// {"hex":"6c6174e9"}.
type Text string

type inHex struct {
	Hex string `json:"hex"`
}

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(inHex{hex.EncodeToString([]byte(t))})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return json.Unmarshal(b, (*string)(t))
	}
	var in inHex
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	text, err := hex.DecodeString(in.Hex)
	*t = Text(text)
	return err
}
